import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const SCENARIO = join(import.meta.dirname, "../leftover-scenario.ts");

/** What is there of the sandboxes of a cache. */
export interface Survey {
  readonly processes: number;
  readonly mounts: readonly string[];
  readonly namespaces: number;
  readonly groups: readonly string[];
  readonly files: readonly string[];
}

/** What a play is made of. `prefix` starts a program as another user. */
export interface LeftoverPlay {
  readonly cacheDirectory: string;
  readonly prefix: readonly string[];
  /** Begins the names of the workspaces. */
  readonly name: string;
  readonly rounds: number;
  readonly perRound: number;
}

/** What came of it: how many a killed daemon left each time, what was there just before a kill, and what is left at the end. */
export interface LeftoverResult {
  readonly sandboxCount: number;
  readonly recovered: readonly number[];
  readonly before: Survey;
  readonly after: Survey;
}

async function ask(play: LeftoverPlay, ...args: string[]): Promise<unknown> {
  const [program = "", ...rest] = [...play.prefix, process.execPath, SCENARIO, ...args];
  const { stdout } = await execute(program, rest, { maxBuffer: 1 << 26 });
  const answer: unknown = JSON.parse(stdout);
  return answer;
}

async function survey(play: LeftoverPlay): Promise<Survey> {
  return (await ask(play, "survey", play.cacheDirectory, play.name)) as Survey;
}

/**
 * Makes sandboxes round by round. In each a third is disposed of, a third loses its first process to SIGKILL, and for the last third
 * the daemon is killed; the next daemon recovers.
 */
export async function playLeftovers(play: LeftoverPlay): Promise<LeftoverResult> {
  const recovered: number[] = [];
  let before: Survey | null = null;
  for (let round = 0; round < play.rounds; round += 1) {
    const args = [SCENARIO, "daemon", play.cacheDirectory, String(play.perRound), `${play.name}-${round}`];
    const [program = "", ...rest] = [...play.prefix, process.execPath, ...args];
    const daemon = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
    const ready = once(daemon.stdout, "data");
    const died = once(daemon, "exit").then(([code]) => {
      throw new Error(`the daemon ended with ${String(code)}`);
    });
    await Promise.race([ready, died]);
    before ??= await survey(play);
    daemon.kill("SIGKILL");
    await died.catch(() => undefined);
    const answer = (await ask(play, "recover", play.cacheDirectory)) as { recovered: number };
    recovered.push(answer.recovered);
  }
  const after = await survey(play);
  if (before === null) throw new Error("no round was played");
  return { sandboxCount: play.rounds * play.perRound, recovered, before, after };
}
