import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../fixtures/acp/", import.meta.url));

/** One recorded line of an ACP conversation: `>>` to the agent, `<<` from it. */
export interface AcpFixtureLine {
  readonly direction: ">>" | "<<";
  readonly message: Readonly<Record<string, unknown>>;
}

/** Names of the recorded conversations with real agents, sorted. */
export function listAcpFixtures(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".jsonl"))
    .toSorted();
}

/** Reads a recorded conversation. Error output and notes of the recorder are left out. */
export function readAcpFixture(name: string): AcpFixtureLine[] {
  const lines: AcpFixtureLine[] = [];
  for (const line of readFileSync(FOLDER + name, "utf8").split("\n")) {
    if (line === "") continue;
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("dir" in value)) continue;
    const { dir, ms: _ms, ...message } = { ms: 0, ...value };
    if (dir === "<<" || dir === ">>") lines.push({ direction: dir, message });
  }
  return lines;
}
