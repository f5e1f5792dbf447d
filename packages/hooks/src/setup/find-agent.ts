import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { HookAgent } from "../events/hook-call.ts";

/** What is known of an agent on this machine. */
export interface FoundAgent {
  /** Its program is on the PATH, or its configuration folder is there. */
  readonly isPresent: boolean;
  /** What its program says of itself, null when it says nothing. */
  readonly version: string | null;
}

const PROGRAMS: Readonly<Record<HookAgent, readonly string[]>> = {
  claude: ["claude"],
  codex: ["codex"],
  gemini: ["gemini"],
  cursor: ["cursor", "cursor-agent"],
  opencode: ["opencode"],
};

const FOLDERS: Readonly<Record<HookAgent, string>> = {
  claude: ".claude",
  codex: ".codex",
  gemini: ".gemini",
  cursor: ".cursor",
  opencode: ".config/opencode",
};

/** Agents whose hooks differ from version to version. */
const VERSIONED: ReadonlySet<HookAgent> = new Set(["claude", "codex"]);
const VERSION_LIMIT_MS = 10_000;

function findProgram(names: readonly string[], path: string): string | null {
  for (const folder of path.split(delimiter).filter((part) => part !== ""))
    for (const name of names) {
      const program = join(folder, name);
      try {
        accessSync(program, constants.X_OK);
        return program;
      } catch {
        // Not in this folder.
      }
    }
  return null;
}

/** Looks for an agent by its program and its configuration folder; asks the program for its version where that matters. */
export function findAgent(
  agent: HookAgent,
  place: { readonly home: string; readonly env: Readonly<Record<string, string | undefined>> },
): FoundAgent {
  const program = findProgram(PROGRAMS[agent], place.env["PATH"] ?? "");
  const isPresent = program !== null || existsSync(join(place.home, FOLDERS[agent]));
  if (program === null || !VERSIONED.has(agent)) return { isPresent, version: null };
  const result = spawnSync(program, ["--version"], {
    encoding: "utf8",
    timeout: VERSION_LIMIT_MS,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { isPresent, version: /\d+\.\d+\.\d+/.exec(result.stdout ?? "")?.[0] ?? null };
}
