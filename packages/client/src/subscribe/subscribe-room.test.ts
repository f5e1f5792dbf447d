import { CanopyError } from "@canopy/protocol";
import type { EventEnvelope } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { RoomView } from "../state/room-view.ts";
import type { RoomMessage, SourceRequest } from "./room-source.ts";
import type { SubscribePorts } from "./subscribe-room.ts";
import { subscribeRoom } from "./subscribe-room.ts";

/** A room whose state is the list of the events' numbers. */
const view: RoomView<readonly number[]> = {
  address: "node",
  parseState: (state) => (Array.isArray(state) ? state.map(Number) : []),
  apply: (state, event) => [...state, event.seq],
};

function event(seq: number): RoomMessage {
  const actor = { kind: "system", id: "x" } as const;
  const envelope: EventEnvelope = {
    seq,
    type: "x",
    version: 1,
    atMs: 1,
    actor,
    commandKey: "k",
    payload: {},
  };
  return { type: "event", event: envelope };
}

const snapshot = (seq: number, state: number[] = []): RoomMessage => ({ type: "snapshot", seq, state });

/** Plays connections one after the other, notes what each was asked for, and ends the subscription after the last. */
async function play(
  connections: readonly (readonly (RoomMessage | Error)[])[],
  probe: SubscribePorts["probe"] = () => Promise.resolve(),
): Promise<{ asked: (number | undefined)[]; seen: string[]; last: readonly number[]; links: string[] }> {
  const end = new AbortController();
  const asked: (number | undefined)[] = [];
  const seen: string[] = [];
  const links: string[] = [];
  let last: readonly number[] = [];
  const source = async function* (request: SourceRequest): AsyncGenerator<RoomMessage> {
    const messages = connections[asked.length] ?? [];
    asked.push(request.afterSeq);
    for (const message of messages) {
      if (message instanceof Error) throw message;
      yield await Promise.resolve(message);
    }
    if (asked.length >= connections.length) end.abort();
  };
  await subscribeRoom(
    {
      room: view,
      signal: end.signal,
      onState: (state, seq) => {
        last = state;
        seen.push(String(seq));
      },
      onConnection: (state) => links.push(state),
    },
    { source, reconnect: { firstMs: 0, maxMs: 0, random: () => 0 }, probe },
  );
  return { asked, seen, last, links };
}

test("a new connection resumes after the last event that was applied", async () => {
  const told = await play([[snapshot(3), event(4), event(5)], [event(6)], []]);
  expect(told).toEqual({
    asked: [undefined, 5, 6],
    seen: ["3", "4", "5", "6"],
    last: [4, 5, 6],
    links: ["connected", "lost", "connected", "lost"],
  });
});

test("an event that came before is not applied twice", async () => {
  expect((await play([[snapshot(1), event(2), event(2), event(1), event(3)]])).last).toEqual([2, 3]);
});

test("a missing event, or one before any snapshot, makes the next connection start over", async () => {
  const told = await play([[event(9)], [snapshot(1), event(2), event(4), event(5)], [snapshot(7, [7])]]);
  expect([told.asked, told.last]).toEqual([[undefined, undefined, undefined], [7]]);
});

test("a snapshot in the middle replaces everything", async () => {
  expect((await play([[snapshot(1), event(2), snapshot(50, [50]), event(51)]])).last).toEqual([50, 51]);
});

test("a failed connection is tried again, whatever it failed with", async () => {
  const told = await play([
    [new TypeError("reset")],
    [new CanopyError("daemon.unavailable", "away")],
    [snapshot(2)],
  ]);
  expect([told.asked.length, told.seen]).toEqual([3, ["2"]]);
});

test("a refusal for good ends the subscription, also when only the probe learns of it", async () => {
  const gone = new CanopyError("thing.not-found", "no such room");
  await expect(play([[snapshot(1), gone], []])).rejects.toBe(gone);
  await expect(play([[], [], []], () => Promise.reject(gone))).rejects.toBe(gone);
});
