import { expect, test } from "vitest";
import { BUILTIN_AGENTS } from "./builtin-agents.ts";
import { CAPABILITY_TEXTS, capabilitiesAt, capabilityWord } from "./describe-capability.ts";
import { resolveAgent } from "./resolve-agent.ts";

const NAMES = [...Object.keys(BUILTIN_AGENTS), "command:true", "acp:agent", "scripted"];

test("whatever an agent lacks, it is said what is done in its place, or that it is refused and how", () => {
  const unsaid = NAMES.flatMap((name) => {
    const { capabilities } = resolveAgent(name, {}, "/").driver.describe();
    return [
      ...capabilitiesAt(capabilities, "emulated").filter((each) => CAPABILITY_TEXTS[each].emulated === null),
      ...capabilitiesAt(capabilities, "refused").filter((each) => CAPABILITY_TEXTS[each].refused === null),
    ].map((each) => `${name}: ${each}`);
  });
  expect(unsaid).toEqual([]);
});

test("every capability is at one level", () => {
  const { capabilities } = resolveAgent("gemini", {}, "/").driver.describe();
  const all = (["native", "emulated", "refused"] as const).flatMap((word) =>
    capabilitiesAt(capabilities, word),
  );
  expect(all.toSorted()).toEqual(Object.keys(capabilities).toSorted());
  expect([true, "emulated", false].map((level) => capabilityWord(level as boolean))).toEqual([
    "native",
    "emulated",
    "refused",
  ]);
});
