import { platform } from "node:process";
import { expect, test } from "vitest";
import { probeSandbox } from "./probe-sandbox.ts";

test.skipIf(platform !== "linux")("every promise of isolation is kept here, and is tried", async () => {
  const report = await probeSandbox();
  expect({
    reason: report.reason,
    broken: report.features
      .filter(({ state }) => state === "not-enforced")
      .map(({ feature }) => feature)
      .filter((feature) => !feature.endsWith("limit")),
  }).toEqual({
    reason: null,
    broken: [],
  });
  expect(report.features.length).toBe(14);
});
