import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../fixtures/hooks/", import.meta.url));

/** The recorded payloads of real agents' hooks. */
export type HookFixtureName =
  | "claude-hooks-command-payloads"
  | "claude-hooks-http-payloads"
  | "codex-hooks-payloads"
  | "opencode-plugin-hooks";

/** Every recorded line of one agent's hooks, as the recorder wrote it. */
export function readHookFixture(name: HookFixtureName): Readonly<Record<string, unknown>>[] {
  return readFileSync(`${FOLDER}${name}.jsonl`, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map(parseLine);
}

function parseLine(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return typeof value === "object" && value !== null ? { ...value } : {};
}
