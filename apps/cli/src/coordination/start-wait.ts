import type { Json, Wait } from "@canopy/protocol";
import { ERROR_EXIT_CODES } from "@canopy/protocol/errors";
import type { IdentityOptions } from "../connection/coordination-api.ts";
import { act } from "../connection/coordination-api.ts";
import { sanitizeLine } from "../output/format.ts";
import type { Common, Setter } from "./coordinate-command.ts";
import { parse, show } from "./coordinate-command.ts";

/** Options of a wait. */
export interface WaitOptions extends Common {
  readonly all?: boolean;
  readonly timeout: number;
  readonly block: boolean;
  readonly hint?: string;
  readonly cancel?: string;
}

/** Waits until a wait is over, however long: asks again before a proxy or a time-out ends the request. */
async function waitOut(wait: Wait, options: IdentityOptions, timeoutMs: number): Promise<Wait> {
  let current = wait;
  const endMs = Date.now() + timeoutMs + 5000;
  while (current.state === "waiting" && Date.now() < endMs) {
    const blockMs = 300_000;
    const answer = await act({ type: "wait-on", waitId: current.waitId, blockMs }, options, { blockMs });
    current = parse<Wait>(answer["wait"]);
  }
  return current;
}

function reportWait(wait: Wait, options: Common, setExit: Setter): void {
  show({ wait: parse<Json>(wait) }, options, () =>
    wait.state === "waiting" ? `${wait.waitId} waits` : `${wait.state}: ${sanitizeLine(wait.outcome)}`,
  );
  if (wait.state === "timed-out") setExit(ERROR_EXIT_CODES["timed-out"]);
}

/** Begins a wait and, unless it is not to block, waits for its end. */
export async function startWait(
  conditions: readonly string[],
  options: WaitOptions,
  setExit: Setter,
): Promise<void> {
  if (options.cancel !== undefined) {
    const answer = await act({ type: "cancel-wait", waitId: options.cancel }, options);
    return reportWait(parse<Wait>(answer["wait"]), options, setExit);
  }
  const answer = await act(
    {
      type: "wait",
      for: [...conditions],
      combine: options.all === true ? "all" : "any",
      timeoutMs: options.timeout,
      hint: options.hint ?? "",
    },
    options,
  );
  const wait = parse<Wait>(answer["wait"]);
  reportWait(options.block ? await waitOut(wait, options, options.timeout) : wait, options, setExit);
}
