import type { PermissionOption } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { PermissionPolicy } from "../agent-driver.ts";
import type { EventWriter } from "../event-writer.ts";
import { permissionRequestSchema } from "./acp-schema.ts";
import { toToolPatch } from "./map-update.ts";

/** ACP's answer to a permission request. */
export type PermissionOutcome = { outcome: "selected"; optionId: string } | { outcome: "cancelled" };

interface OpenRequest {
  readonly options: readonly PermissionOption[];
  readonly settle: (optionId: string | null, by: string) => void;
}

function findOption(
  options: readonly PermissionOption[],
  kinds: readonly PermissionOption["kind"][],
): string | null {
  for (const kind of kinds) {
    const option = options.find((candidate) => candidate.kind === kind);
    if (option !== undefined) return option.optionId;
  }
  return null;
}

/** Once before always: a lasting permission may be written into the user's repository by the agent. */
function allowOption(options: readonly PermissionOption[]): string | null {
  return findOption(options, ["allow_once", "allow_always"]);
}

function rejectOption(options: readonly PermissionOption[]): string | null {
  return findOption(options, ["reject_once", "reject_always"]);
}

/** Answers an agent's permission requests by policy or by a person, and leaves none open. */
export class PermissionBroker {
  readonly #writer: EventWriter;
  readonly #policy: PermissionPolicy;
  readonly #open = new Map<string, OpenRequest>();
  #count = 0;

  constructor(writer: EventWriter, policy: PermissionPolicy) {
    this.#writer = writer;
    this.#policy = policy;
  }

  /** Handles one `session/request_permission`. `signal` is the agent taking it back. Rejects for unreadable params. */
  ask(params: unknown, signal: AbortSignal): Promise<PermissionOutcome> {
    const request = permissionRequestSchema.parse(params);
    const tool = this.#writer.tool(request.toolCall.toolCallId, toToolPatch(request.toolCall));
    this.#count += 1;
    const requestId = `permission-${this.#count}`;
    const options = request.options.map(({ optionId, name, kind }) => ({ optionId, name, kind }));
    this.#writer.emit({ type: "permission.asked", requestId, tool, options });
    const { promise, resolve } = Promise.withResolvers<PermissionOutcome>();
    const settle = (optionId: string | null, by: string): void => {
      if (!this.#open.delete(requestId)) return;
      this.#writer.emit({ type: "permission.answered", requestId, optionId, by });
      resolve(optionId === null ? { outcome: "cancelled" } : { outcome: "selected", optionId });
    };
    this.#open.set(requestId, { options, settle });
    signal.addEventListener("abort", () => settle(null, "agent"), { once: true });
    if (this.#policy === "allow-all") settle(allowOption(options), "policy:allow-all");
    if (this.#policy === "deny-all") settle(rejectOption(options), "policy:deny-all");
    return promise;
  }

  /** A person's answer. Null picks the option that rejects once, else cancels the request. */
  answer(requestId: string, optionId: string | null, by: string): void {
    const request = this.#open.get(requestId);
    if (request === undefined) {
      throw new CanopyError("thing.not-found", `permission request ${requestId} is not open`, {
        hint: "It was answered already, or its turn is over.",
      });
    }
    const isKnown = optionId === null || request.options.some((option) => option.optionId === optionId);
    if (!isKnown) {
      const known = request.options.map((option) => option.optionId).join(", ");
      throw new CanopyError("request.invalid", `permission request ${requestId} has no option ${optionId}`, {
        hint: `Its options are: ${known}.`,
      });
    }
    request.settle(optionId ?? rejectOption(request.options), by);
  }

  /** Answers every open request as cancelled; agents wait forever otherwise. */
  cancelAll(by: string): void {
    for (const request of this.#open.values()) request.settle(null, by);
  }
}
