import type { Actor, Json } from "@canopy/protocol";
import type { RoomDefinition, RoomStorage, SubmitAnswer, Typed } from "@canopy/core";
import { Room, createRandom } from "@canopy/core";
import { openMemoryStorage } from "@canopy/store";

/** A room in memory with a virtual clock and seeded entropy. */
export interface TestRoom<C extends Typed, E extends Typed> {
  readonly room: Room<C, E>;
  readonly storage: RoomStorage;
  nowMs: number;
  /** Submits under a fresh key, or the given one. */
  submit(command: unknown, options?: { readonly key?: string; readonly actor?: Actor }): SubmitAnswer;
  /** Submits and returns the result; throws when the room refuses. */
  accept(command: unknown, options?: { readonly key?: string; readonly actor?: Actor }): Record<string, Json>;
  /** Moves the clock and fires what is due, timer by timer, in the order of their times. */
  advance(ms: number): void;
  /** A new room on the same database: a restart. */
  restart(): void;
  /** Every projected table, row by row. */
  dump(): Record<string, Json>;
}

/** Start of virtual time in tests: 2026-06-01T00:00:00Z, in ms. */
export const TEST_EPOCH_MS = 1_780_272_000_000;

/** The person who asks in tests. */
export const TEST_PERSON: Actor = { kind: "person", id: "ada@example.org" };

/** Opens a room in memory. The same seed and the same submissions give the same journal. */
export function openTestRoom<C extends Typed, E extends Typed>(
  definition: RoomDefinition<C, E>,
  seed = 1,
): TestRoom<C, E> {
  const storage = openMemoryStorage();
  const random = createRandom(seed);
  const nextSeed = (): number => Math.floor(random() * 2 ** 32);
  let keyCount = 0;
  let room = new Room(definition, storage);
  const test: TestRoom<C, E> = {
    get room() {
      return room;
    },
    storage,
    nowMs: TEST_EPOCH_MS,
    submit(command, options = {}) {
      keyCount += 1;
      return room.submit({
        key: options.key ?? `test-key-${keyCount}`,
        actor: options.actor ?? TEST_PERSON,
        command,
        nowMs: test.nowMs,
        seed: nextSeed(),
      });
    },
    accept(command, options) {
      const answer = test.submit(command, options);
      if (answer.type === "rejection") throw new Error(`refused: ${answer.code}: ${answer.message}`);
      const { result } = answer;
      return typeof result === "object" && result !== null && !Array.isArray(result)
        ? { ...(result as Record<string, Json>) }
        : {};
    },
    advance(ms) {
      const untilMs = test.nowMs + ms;
      for (let dueMs = room.nextWakeMs(); dueMs !== null && dueMs <= untilMs; dueMs = room.nextWakeMs()) {
        test.nowMs = Math.max(test.nowMs, dueMs);
        room.wake(test.nowMs, nextSeed());
      }
      test.nowMs = untilMs;
    },
    restart() {
      room = new Room(definition, storage);
    },
    dump() {
      const tables = ["timers", ...definition.features.flatMap((feature) => feature.tables)];
      return Object.fromEntries(tables.map((table) => [table, readTable(storage, table)]));
    },
  };
  return test;
}

function readTable(storage: RoomStorage, table: string): Json {
  return storage.sql
    .exec(`SELECT * FROM ${table}`)
    .map((row) => JSON.stringify(row))
    .sort();
}
