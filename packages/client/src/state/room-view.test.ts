import { featureRoom, nodeRoom } from "@canopy/core";
import type { FeatureState, Json } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { openTestRoom } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { NodeState } from "./reduce-node-state.ts";
import type { RoomView } from "./room-view.ts";
import { featureView, nodeView } from "./room-view.ts";

function session(sessionId: string): Json {
  return {
    sessionId,
    featureId: "ftr_general",
    attemptId: null,
    taskId: null,
    title: "a session",
    agent: "scripted",
    model: null,
    nativeSessionId: null,
    state: "starting",
    endReason: null,
    sandboxLevel: null,
    usage: { ...ZERO_USAGE },
    openedAtMs: 1,
    endedAtMs: null,
  };
}

interface Playable {
  readonly room: {
    eventsAfter(seq: number, limit: number): Parameters<RoomView<never>["apply"]>[1][];
    snapshot(): { readonly state: Json };
  };
}

/** Folds every event of a room and compares with the room's own snapshot. */
function expectSameFold<S>({ room }: Playable, view: RoomView<S>, empty: S): S {
  const folded = room.eventsAfter(0, 1000).reduce((state, event) => view.apply(state, event), empty);
  expect(folded).toEqual(view.parseState(room.snapshot().state));
  return folded;
}

test("a feature's events fold into its snapshot", () => {
  const play = openTestRoom(featureRoom);
  for (const sessionId of ["ses_b", "ses_a"])
    play.accept({ type: "session.open", session: session(sessionId) });
  for (const sessionId of ["ses_a", "ses_b", "ses_a"]) {
    const { promptId } = play.accept({ type: "prompt.submit", sessionId, author: "ada", text: "go" });
    const { turnId } = play.accept({ type: "turn.start", sessionId, promptId });
    const events = [
      { type: "message.done", text: "done" },
      { type: "model.changed", model: "m" },
    ];
    play.accept({ type: "turn.append", sessionId, turnId, events });
    play.accept({ type: "turn.end", sessionId, turnId, reason: "end_turn" });
  }
  for (const text of ["first", "second"]) play.accept({ type: "context.add", kind: "learning", text });
  const [entry] = Reflect.get(play.room.snapshot().state as object, "context") as { entryId: string }[];
  play.accept({ type: "context.remove", entryId: entry?.entryId ?? "" });
  play.accept({ type: "session.end", sessionId: "ses_b", state: "lost", reason: "gone" });
  const empty: FeatureState = { sessions: [], prompts: [], turns: [], context: [] };
  const state = expectSameFold(play, featureView("feature/ftr_general-web"), empty);
  expect([state.sessions.map(({ state: at }) => at), state.prompts.length, state.turns.length]).toEqual([
    ["idle", "lost"],
    3,
    3,
  ]);
});

test("a device's events fold into its snapshot", () => {
  const play = openTestRoom(nodeRoom);
  const register = (name: string, path: string): void => {
    const command = {
      type: "project.register",
      projectId: `prj_${name}`,
      name,
      path,
      commonDirectory: "/git",
    };
    play.accept(command);
  };
  for (const name of ["one", "two", "three"]) register(name, "/a");
  register("one", "/moved");
  play.accept({ type: "project.forget", projectId: "prj_two" });
  register("two", "/back");
  const empty: NodeState = { projects: [] };
  const state = expectSameFold(play, nodeView(), empty);
  expect(state.projects.map(({ name, path }) => `${name} ${path}`)).toEqual([
    "one /moved",
    "three /a",
    "two /back",
  ]);
});

test("a snapshot of an unknown shape is an error, not a crash later", () => {
  expect(() => nodeView().parseState({ projects: [{ name: 1 }] })).toThrow(
    expect.objectContaining({ code: "internal", message: "the snapshot of node has an unknown shape" }),
  );
});
