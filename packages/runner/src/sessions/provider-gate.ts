import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentErrorKind } from "@canopy/protocol";
import { createBucket, noteRefusal, noteSuccess, takeTurn } from "@canopy/agents";
import type { BucketOptions, ProviderBucket, ResolvedAgent } from "@canopy/agents";

/** How a turn went, as far as its provider is concerned. */
export interface ProviderAnswer {
  readonly errorKind: AgentErrorKind | null;
  readonly retryAfterMs: number | null;
}

const KEY_NAME = /KEY|TOKEN|AUTH|SECRET/i;

/** Agents that pay with the same keys share an account. Keys themselves are kept nowhere. */
export function accountOf(agent: ResolvedAgent, environment: Readonly<Record<string, string>>): string {
  const names = Object.keys(environment).filter((name) => KEY_NAME.test(name));
  if (names.length === 0) return agent.name;
  const hash = createHash("sha256");
  for (const name of names.toSorted()) hash.update(`${name}=${environment[name] ?? ""}\0`);
  return `${names.join(",")}:${hash.digest("hex").slice(0, 16)}`;
}

/** Lets turns begin only as fast as each provider takes them: all attempts of an account share one adaptive bucket. */
export class ProviderGate {
  readonly #buckets = new Map<string, ProviderBucket>();

  /** Resolves when a turn may begin; at once while there is room. Rejects when the signal is aborted. */
  async enter(account: string, options: BucketOptions, signal: AbortSignal): Promise<void> {
    for (;;) {
      const nowMs = Date.now();
      const known = this.#buckets.get(account) ?? createBucket(options, nowMs);
      const { bucket, waitMs } = takeTurn(known, options, nowMs);
      this.#buckets.set(account, bucket);
      if (waitMs <= 0) return;
      await sleep(waitMs, undefined, { signal });
    }
  }

  /** Takes note of how a turn went. */
  leave(account: string, options: BucketOptions, answer: ProviderAnswer): void {
    const nowMs = Date.now();
    const known = this.#buckets.get(account);
    if (known === undefined) return;
    const { errorKind, retryAfterMs } = answer;
    if (errorKind === "rate-limit" || errorKind === "overload")
      this.#buckets.set(account, noteRefusal(known, options, { nowMs, retryAfterMs }));
    else if (errorKind === null) this.#buckets.set(account, noteSuccess(known, options, nowMs));
  }
}
