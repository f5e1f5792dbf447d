import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sandboxRefusalSchema } from "@canopy/protocol";
import type { SandboxRefusal } from "@canopy/protocol";
import type { RunnerLog } from "@canopy/runner";
import type { RefusalRecord } from "@canopy/workspace";

const MAX_BYTES = 1_000_000;

const recordSchema = sandboxRefusalSchema.omit({ fix: true });

function logPath(stateDirectory: string, projectId: string): string {
  return join(stateDirectory, "refusals", `${projectId.replaceAll(/[^\w-]/g, "_")}.jsonl`);
}

/** Notes one refusal of an egress proxy in the project's log; the log keeps its newest two megabytes at most. */
export function noteRefusal(stateDirectory: string, record: RefusalRecord): void {
  const file = logPath(stateDirectory, record.projectId);
  mkdirSync(join(stateDirectory, "refusals"), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_BYTES) renameSync(file, `${file}.old`);
  appendFileSync(file, `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Notes refusals, and never throws: a full disk must not end a proxy. */
export function createRefusalNoter(
  stateDirectory: string,
  log: Pick<RunnerLog, "warn">,
): (record: RefusalRecord) => void {
  return (record) => {
    try {
      noteRefusal(stateDirectory, record);
    } catch (error) {
      log.warn({ error, host: record.host }, "a refused connection could not be noted");
    }
  };
}

function explain(record: RefusalRecord): SandboxRefusal {
  const { host, port, reason } = record;
  const shown = host.includes(":") ? `[${host}]` : host;
  const isUsual = port === 80 || port === 443;
  const isHost = /^[\w.:[\]-]+$/.test(shown);
  const target = isUsual && !host.includes(":") ? shown : `${shown}:${port}`;
  return { ...record, fix: reason === "not-on-list" && isHost ? `canopy sandbox allow ${target}` : null };
}

function parseLine(line: string): RefusalRecord[] {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    // A line that a crash cut off.
    return [];
  }
}

/** What was refused in a project's sandboxes, oldest first. */
export async function readRefusals(stateDirectory: string, projectId: string): Promise<SandboxRefusal[]> {
  const file = logPath(stateDirectory, projectId);
  const texts = await Promise.all(
    [`${file}.old`, file].map((each) => readFile(each, "utf8").catch(() => "")),
  );
  return texts.join("").split("\n").flatMap(parseLine).map(explain);
}
