import { chmod, copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readLogin, spawnLocal } from "@canopy/agents";
import type { ResolvedAgent, TurnResult } from "@canopy/agents";
import { probeEnvironment } from "./survey-agents.ts";

/** How one turn of an agent went. */
export interface SelfTest {
  readonly ok: boolean;
  readonly reason: TurnResult["reason"];
  readonly message: string;
  readonly error: TurnResult["error"];
  readonly startMs: number;
  readonly firstTextMs: number | null;
  readonly turnMs: number;
}

/** What to ask and where. `folder` is empty and the caller's to remove. */
export interface SelfTestOptions {
  readonly folder: string;
  readonly prompt: string;
  readonly model: string | null;
  readonly signal: AbortSignal;
}

/** Runs one turn of an agent in an empty folder with a private HOME; what it asks leave for is refused. */
export async function runSelfTest(agent: ResolvedAgent, options: SelfTestOptions): Promise<SelfTest> {
  const [cwd, home, tmp] = ["work", "home", "tmp"].map((name) => join(options.folder, name));
  if (cwd === undefined || home === undefined || tmp === undefined)
    throw new Error("broken invariant: three folders");
  for (const folder of [cwd, home, tmp]) await mkdir(folder);
  for (const { from, to } of await readLogin(agent, process.env)) {
    await mkdir(dirname(join(home, to)), { recursive: true, mode: 0o700 });
    await copyFile(from, join(home, to));
    await chmod(join(home, to), 0o600);
  }
  const startedAt = performance.now();
  const session = await agent.driver.start({
    spawn: spawnLocal,
    cwd,
    env: { ...probeEnvironment(agent), HOME: home, TMPDIR: tmp },
    model: options.model ?? agent.model,
    systemAppend: null,
    mcpServers: [],
    permissionPolicy: "deny-all",
    resume: null,
    task: null,
    signal: options.signal,
  });
  const openAt = performance.now();
  let firstTextAt: number | null = null;
  const reading = (async () => {
    for await (const event of session.events)
      if (event.type === "message.delta") firstTextAt ??= performance.now();
  })();
  try {
    const result = await session.prompt(options.prompt);
    const turnMs = performance.now() - openAt;
    await session.close();
    await reading;
    return {
      ok: result.reason === "end_turn",
      reason: result.reason,
      message: result.lastMessage,
      error: result.error,
      startMs: Math.round(openAt - startedAt),
      firstTextMs: firstTextAt === null ? null : Math.round(firstTextAt - openAt),
      turnMs: Math.round(turnMs),
    };
  } finally {
    await session.close();
  }
}
