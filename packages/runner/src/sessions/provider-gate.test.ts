import { resolveAgent } from "@canopy/agents";
import { expect, test } from "vitest";
import { ProviderGate, accountOf } from "./provider-gate.ts";

const OPTIONS = { burst: 2, maxPerMinute: 6000, minPerMinute: 2 };
const FINE = { errorKind: null, retryAfterMs: null };

async function isClosed(gate: ProviderGate, account: string): Promise<boolean> {
  return await gate.enter(account, OPTIONS, AbortSignal.timeout(5)).then(
    () => false,
    () => true,
  );
}

test("turns of one account wait after a refusal for as long as its provider asked; others do not", async () => {
  const gate = new ProviderGate();
  await gate.enter("a", OPTIONS, new AbortController().signal);
  gate.leave("a", OPTIONS, FINE);
  await gate.enter("a", OPTIONS, new AbortController().signal);
  gate.leave("a", OPTIONS, { errorKind: "rate-limit", retryAfterMs: 60_000 });
  expect([await isClosed(gate, "a"), await isClosed(gate, "b")]).toEqual([true, false]);
});

test("an overload closes it too, a wrong request does not", async () => {
  const gate = new ProviderGate();
  const enter = (): Promise<void> => gate.enter("a", OPTIONS, new AbortController().signal);
  await enter();
  gate.leave("a", OPTIONS, { errorKind: "bad-request", retryAfterMs: null });
  await enter();
  gate.leave("a", OPTIONS, { errorKind: "overload", retryAfterMs: null });
  expect(await isClosed(gate, "a")).toBe(true);
});

test("an account is the key, not the name of the agent; no key is in it", () => {
  const claude = resolveAgent("claude", {}, "/");
  const mine = resolveAgent("mine", { mine: { driver: "claude" } }, "/");
  const key = { ANTHROPIC_API_KEY: "sk-secret", LANG: "C" };
  expect(accountOf(claude, key)).toBe(accountOf(mine, { ...key, LANG: "de" }));
  expect(accountOf(claude, key)).not.toBe(accountOf(claude, { ANTHROPIC_API_KEY: "sk-other" }));
  expect(accountOf(claude, key)).not.toContain("secret");
  expect([accountOf(claude, {}), accountOf(mine, {})]).toEqual(["claude", "mine"]);
});
