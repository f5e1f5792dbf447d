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

const SAMPLES = fileURLToPath(new URL("../fixtures/native/", import.meta.url));

/** Names of the recorded streams of the agents' own protocols, sorted. */
export function listNativeFixtures(prefix: "claude" | "codex"): string[] {
  return readdirSync(SAMPLES)
    .filter((name) => name.startsWith(prefix))
    .toSorted();
}

/** What the agent said in a recorded stream, one JSON object each; the recorder's own marks are left out. */
export function readNativeFixture(name: string): Readonly<Record<string, unknown>>[] {
  const messages: Record<string, unknown>[] = [];
  for (const line of readFileSync(SAMPLES + name, "utf8").split("\n")) {
    if (!line.startsWith("{")) continue;
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) continue;
    const { dir, ms: _ms, ...message } = { dir: "<<", ms: 0, ...value };
    if (dir === "<<") messages.push(message);
  }
  return messages;
}

const STREAMS = fileURLToPath(new URL("../fixtures/streams/", import.meta.url));

/** Names of the recorded streams of one-shot modes (`codex-...`, `gemini-...`, `opencode-run-...`), sorted. */
export function listStreamFixtures(prefix: string): string[] {
  return readdirSync(STREAMS)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".jsonl"))
    .toSorted();
}

/** A recorded stream or answer as it is. */
export function readStreamFixture(name: string): string {
  return readFileSync(STREAMS + name, "utf8");
}
