import { readFileSync } from "node:fs";
import { spawnLocal } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { AgentStartSpec } from "./agent-driver.ts";
import { resolveAgent } from "./resolve-agent.ts";

const spec: Omit<AgentStartSpec, "spawn"> = {
  cwd: "/",
  env: { PATH: process.env["PATH"] ?? "" },
  model: null,
  systemAppend: null,
  mcpServers: [],
  permissionPolicy: "allow-all",
  resume: null,
  task: null,
  signal: new AbortController().signal,
};

test("the README's example runs and is what this test runs", async () => {
  const spawn = spawnLocal;
  const { driver } = resolveAgent("command:cat", {}, process.cwd());
  const session = await driver.start({ ...spec, spawn });
  const result = await session.prompt("hello");
  await session.close();
  expect([result.reason, result.lastMessage]).toEqual(["end_turn", "hello\n"]);
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const own = readFileSync(import.meta.filename, "utf8");
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const lines = example.split("\n").filter((line) => line !== "" && !line.startsWith("//"));
  expect(lines.length).toBe(4);
  expect(lines.filter((line) => !own.includes(line))).toEqual([]);
});
