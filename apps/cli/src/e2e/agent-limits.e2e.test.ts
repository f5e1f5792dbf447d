import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { LoggedRequest } from "@canopy/agents";
import type { Task } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import { expect, test } from "vitest";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";
import { waitFor } from "./wait-for.ts";

const program = findRealAgent("claude");
const RETRY_AFTER_S = 6;

interface Asked {
  readonly atMs: number;
  readonly status: number;
  readonly text: string;
}

test.skipIf(program === null)(
  "a provider that refuses is left alone by every session of the account, and by no other",
  async () => {
    await using home = await openTestHome();
    const asked: Asked[] = [];
    const onRequest = ({ request, stepIndex, status }: LoggedRequest): void => {
      const text = JSON.stringify(request?.turns ?? "");
      if (stepIndex !== null) asked.push({ atMs: Date.now(), status, text });
    };
    const model = await startScriptedModel({ onRequest });
    const project = await createRealProject(home, {
      name: "claude",
      program: program ?? "",
      modelUrl: model.url,
      config: SANDBOX_WITH_LOOPBACK,
      // It asks again by itself, as it usually does.
      env: { CLAUDE_CODE_MAX_RETRIES: "3", OTHER_API_KEY: "sk-other" },
      otherAgents: { other: ["OTHER_API_KEY"] },
    });
    const requestsOf = (mark: string): Asked[] => asked.filter(({ text }) => text.includes(mark));
    const add = async (mark: string, agent: string, error?: object): Promise<void> => {
      const write = { tool: "write", args: { path: `${mark}.txt`, content: mark } };
      const steps = [error === undefined ? write : { error: error as never, after: write }, { text: mark }];
      const description = createModelScript(steps);
      await home.ask(["task", "add", mark, "--agent", agent, "--description", description], project);
    };
    const error = { status: 429, message: "slow down", retryAfter: RETRY_AFTER_S, times: 1 };
    await add("refused-one", "real", error);
    const run = home.start(["run", "--watch", "-c", "3", "--agent", "real"], project);
    const refusedAtMs = await waitFor(
      "a refusal",
      () => asked.find(({ status }) => status === 429)?.atMs ?? null,
    );
    await add("same-account", "real");
    await add("other-account", "other");
    await waitFor("the end of all", async () => {
      const { tasks } = await home.ask<{ tasks: Task[] }>(["task", "list", "--all"], project);
      return tasks.every(({ status }) => status === "closed") ? true : null;
    });
    const openAtMs = refusedAtMs + RETRY_AFTER_S * 1000;
    const isEarly = (mark: string): boolean[] => [
      ...new Set(requestsOf(mark).map(({ atMs }) => atMs < openAtMs)),
    ];
    expect({
      refused: requestsOf("refused-one").map(({ atMs, status }) => [status, atMs < openAtMs]),
      same: isEarly("same-account"),
      other: isEarly("other-account"),
    }).toEqual({
      refused: [
        [429, true],
        [200, false],
        [200, false],
      ],
      same: [false],
      other: [true],
    });
    run.send("SIGINT");
    await run.finished;
    await model.close();
    expect(await home.shutDown()).toEqual(NOTHING_LEFT);
  },
);
