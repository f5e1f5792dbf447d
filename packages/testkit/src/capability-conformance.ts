import { judgeModel } from "@canopy/agents";
import type { AgentModels } from "@canopy/agents";
import type { AgentEvent } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { Bench, RealAgentTraits } from "./real-agent-conformance.ts";
import { say, wellFormed } from "./real-agent-conformance.ts";

/** A picture of one red dot. */
export const DOT_PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/** Every model that the agent lists can be named, and one that nobody has is told apart where the agent takes no others. */
export function testModels(bench: () => Bench, traits: RealAgentTraits): void {
  test("lists its models without asking one, and a name that it does not have is told apart", async () => {
    const { model, listModels } = bench();
    const before = model.requests.length;
    const listed = await listModels();
    expect(listed).not.toBeNull();
    const { models, alsoTakes }: AgentModels = listed ?? { models: [], alsoTakes: [] };
    expect(models.map(({ id }) => id)).toEqual(expect.arrayContaining([...traits.lists]));
    expect(models.filter(({ isDefault }) => isDefault).length).toBe(1);
    const first = models[0]?.id ?? "";
    expect(judgeModel({ models, alsoTakes }, first)).toEqual({ type: "listed", id: first });
    expect(judgeModel({ models, alsoTakes }, `${first}x`).type).toBe(
      alsoTakes.includes("") ? "unlisted" : "unknown",
    );
    const asked = model.requests.slice(before).filter(({ api }) => api !== null);
    expect(asked).toEqual([]);
  });
}

/** An image that goes with a prompt is in what the model is asked, byte for byte. */
export function testImages(bench: () => Bench): void {
  test("can do what its driver says, and sends an image that goes with a prompt to the model", async () => {
    const { model, start, described } = bench();
    const trial = await start();
    // What people are told before it is started is what it can do when it is.
    expect(trial.session.capabilities).toEqual(described);
    expect(described.images).toBe(true);
    const before = model.requests.length;
    const image = { name: "dot.png", mediaType: "image/png" as const, base64: DOT_PNG };
    const result = await trial.session.prompt(say({ text: "I see a dot" }), [image]);
    expect([result.reason, result.error, result.lastMessage]).toEqual(["end_turn", null, "I see a dot"]);
    const asked = model.requests.slice(before).filter((request) => request.stepIndex !== null);
    expect(asked.flatMap(({ request }) => request?.images ?? [])).toEqual([
      { mediaType: "image/png", base64: DOT_PNG },
    ]);
    await trial.session.close();
    await trial.collector.ended;
    wellFormed(trial);
  });
}

/** A fork knows what was said; what is said in it is unknown to the session that it came from. */
export function testFork(bench: () => Bench): void {
  test("a fork begins with the conversation and leaves it as it was", async () => {
    const { model, start } = bench();
    const original = await start();
    await original.session.prompt(say({ text: "CANOPY-BEFORE-FORK" }));
    const { cwd, session } = original;
    const past: readonly AgentEvent[] = original.collector.events;
    const ask = async (asked: typeof original, text: string): Promise<{ said: string; seen: string }> => {
      const before = model.requests.length;
      const { lastMessage } = await asked.session.prompt(say({ text }));
      const requests = model.requests.slice(before).filter((request) => request.stepIndex !== null);
      await asked.session.close();
      await asked.collector.ended;
      wellFormed(asked);
      return { said: lastMessage, seen: JSON.stringify(requests) };
    };
    const nativeSessionId = session.nativeSessionId ?? "";
    const fork = await start({ cwd, resume: { nativeSessionId, asFork: true } }, past);
    const isFresh = session.capabilities.fork !== true;
    expect([fork.isFresh, fork.session.nativeSessionId === nativeSessionId]).toEqual([isFresh, false]);
    const inFork = await ask(fork, "CANOPY-IN-FORK");
    expect([inFork.said, inFork.seen.includes("CANOPY-BEFORE-FORK")]).toEqual(["CANOPY-IN-FORK", true]);
    const after = await ask(original, "after");
    const seen = ["CANOPY-BEFORE-FORK", "CANOPY-IN-FORK"].map((text) => after.seen.includes(text));
    expect([after.said, ...seen]).toEqual(["after", true, false]);
  });
}
