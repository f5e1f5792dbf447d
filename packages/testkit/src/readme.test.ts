import { readFileSync } from "node:fs";
import type { AgentEvent } from "@canopy/protocol";
import { expect, test } from "vitest";
import { findEventFaults } from "./check-events.ts";

test("the README's example runs and is what this test runs", () => {
  const events: AgentEvent[] = [{ type: "message.delta", text: "a" }];
  expect(findEventFaults(events)).toEqual(["the last text is not closed"]);
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const own = readFileSync(import.meta.filename, "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const lines = example.split("\n").filter((line) => line !== "");
  expect(lines.length).toBe(2);
  expect(lines.filter((line) => !own.includes(line))).toEqual([]);
});
