import { expect, test } from "vitest";
import type { FeatureCommand, FeatureEvent, Json } from "@canopy/protocol";
import { ZERO_USAGE } from "@canopy/protocol";
import { featureRoom } from "../rooms/feature-room.ts";
import { openTestRoom } from "@canopy/testkit";
import type { TestRoom } from "@canopy/testkit";
import { selectFeatureSession, selectFeatureState, selectTranscript } from "./turn-feature.ts";

const SESSION = {
  sessionId: "ses_one",
  featureId: "ftr_general",
  attemptId: null,
  taskId: null,
  title: "t",
  agent: "scripted",
  model: null,
  nativeSessionId: null,
  state: "starting",
  endReason: null,
  sandboxLevel: null,
  usage: { ...ZERO_USAGE },
  openedAtMs: 0,
  endedAtMs: null,
};

function openTurn(): { room: TestRoom<FeatureCommand, FeatureEvent>; turnId: Json } {
  const room = openTestRoom(featureRoom);
  room.accept({ type: "session.open", session: SESSION });
  const { promptId } = room.accept({
    type: "prompt.submit",
    sessionId: "ses_one",
    author: "ada",
    text: "do it",
  });
  const { turnId } = room.accept({ type: "turn.start", sessionId: "ses_one", promptId: promptId! });
  return { room, turnId: turnId! };
}

function append(turnId: Json, events: readonly object[]): object {
  return { type: "turn.append", sessionId: "ses_one", turnId, events };
}

test("[TN1] opening a session twice changes nothing", () => {
  const room = openTestRoom(featureRoom);
  room.accept({ type: "session.open", session: SESSION });
  room.accept({ type: "session.open", session: { ...SESSION, title: "other" } });
  expect(selectFeatureState(room.room.sql).sessions.map((session) => session.title)).toEqual(["t"]);
});

test("[TN2] entries are numbered without gaps, and deltas are refused whole", () => {
  const { room, turnId } = openTurn();
  room.accept(
    append(turnId, [
      { type: "thought.done", text: "hm" },
      { type: "message.done", text: "hi" },
    ]),
  );
  const mixed = append(turnId, [
    { type: "message.done", text: "x" },
    { type: "message.delta", text: "y" },
  ]);
  expect(room.submit(mixed)).toMatchObject({ code: "command.invalid" });
  room.accept(append(turnId, [{ type: "message.done", text: "bye" }]));
  expect(selectTranscript(room.room.sql, "ses_one").map(({ index, event }) => [index, event.type])).toEqual([
    [1, "thought.done"],
    [2, "message.done"],
    [3, "message.done"],
  ]);
  expect(selectTranscript(room.room.sql, "ses_one", { afterIndex: 2 }).map((entry) => entry.index)).toEqual([
    3,
  ]);
});

test("[TN3] an ended turn takes nothing more, and ending a session ends its open turn", () => {
  const { room, turnId } = openTurn();
  room.accept({ type: "session.end", sessionId: "ses_one", state: "lost", reason: "crash" });
  expect(selectFeatureState(room.room.sql).turns[0]).toMatchObject({ state: "ended", reason: "lost" });
  expect(room.submit(append(turnId, [{ type: "message.done", text: "late" }]))).toMatchObject({
    code: "turn.not-active",
  });
  const prompt = { type: "prompt.submit", sessionId: "ses_one", author: "ada", text: "more" };
  expect(room.submit(prompt)).toMatchObject({ code: "session.ended" });
});

test("[TN4] usage, model and the native id are kept on the session", () => {
  const { room, turnId } = openTurn();
  const usage = { ...ZERO_USAGE, inputTokens: 12, costUsd: 0.5 };
  room.accept(
    append(turnId, [
      { type: "session.started", nativeSessionId: "native-1" },
      { type: "model.changed", model: "m-2" },
      { type: "usage", usage },
    ]),
  );
  expect(selectFeatureSession(room.room.sql, "ses_one")).toMatchObject({
    nativeSessionId: "native-1",
    model: "m-2",
    usage,
  });
  const before = room.dump();
  room.room.replay();
  expect(room.dump()).toEqual(before);
});
