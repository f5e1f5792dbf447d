import { createModelScript, startScriptedModel } from "@canopy/agents";
import type { Attempt } from "@canopy/protocol";
import { findRealAgent } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { RunSummary } from "../run/summarize-run.ts";
import { userGit } from "./create-test-repository.ts";
import { NOTHING_LEFT } from "./find-leftovers.ts";
import { openTestHome, parseJson } from "./open-test-home.ts";
import { SANDBOX_WITH_LOOPBACK, createRealProject } from "./test-support/create-real-project.ts";

const program = findRealAgent("claude");

/** Writes its word into the shared file; where that is in conflict it keeps both words. */
function edit(word: string): string {
  const both = "printf 'one\\ntwo\\n' > shared.txt";
  const command = `if grep -q '<<<<<<<' shared.txt; then ${both}; else echo ${word} > shared.txt; sleep 1; fi`;
  return createModelScript([{ tool: "bash", args: { command } }, { text: `wrote ${word}` }]);
}

test.skipIf(program === null)(
  "a conflict goes back to the agent that wrote the change, which still knows what it did",
  async () => {
    await using home = await openTestHome();
    const model = await startScriptedModel();
    const project = await createRealProject(home, {
      name: "claude",
      program: program ?? "",
      modelUrl: model.url,
      config: [
        ...SANDBOX_WITH_LOOPBACK,
        "[queue.hand_back]",
        "attempts = 1",
        "[queue.resolver]",
        "attempts = 0",
      ],
      files: { "shared.txt": "start\n" },
    });
    for (const word of ["one", "two"])
      await home.ask(["task", "add", word, "--description", edit(word)], project);
    const ran = await home.canopy(["run", "-c", "2", "--agent", "real", "--json"], project);
    const summary = parseJson<RunSummary>(ran.stdout);
    expect([ran.code, summary.failed, summary.conflicted]).toEqual([0, [], []]);
    expect(await userGit(project.cwd, "show", "canopy/main:shared.txt")).toBe("one\ntwo");
    const details = await Promise.all(
      ["1", "2"].map((number) => home.ask<{ attempts: Attempt[] }>(["task", "show", number], project)),
    );
    const handed = details.map(({ attempts }) => attempts).find((attempts) => attempts.length === 2);
    expect(handed?.map((attempt) => [attempt.ladder?.rung ?? null, attempt.sessionId])).toEqual([
      [null, handed?.[0]?.sessionId],
      ["hand-back", handed?.[0]?.sessionId],
    ]);
    // The agent's own conversation: what it had said is in what its model is asked, not in the prompt.
    const last = model.requests.findLast((request) => request.stepIndex === 0);
    const said =
      last?.request?.turns.filter((turn) => turn.role === "assistant").map((turn) => turn.text) ?? [];
    expect(said.some((text) => text.startsWith("wrote "))).toBe(true);
    const shown = await home.ask<object>(["session", "show", handed?.[0]?.sessionId ?? ""], project);
    expect(JSON.stringify(shown)).not.toContain("was told this transcript");
    await model.close();
    expect(await home.shutDown()).toEqual(NOTHING_LEFT);
  },
);
