import type { EventEnvelope } from "@canopy/protocol";
import { Room } from "@canopy/core";
import { expect, test } from "vitest";
import type { LedgerCommand, LedgerEvent } from "./ledger-room.ts";
import { dumpLedger, laterLedgerRoom, ledgerRoom, selectBalances } from "./ledger-room.ts";
import type { WithStorage } from "./with-storage.ts";

const PERSON = { kind: "person", id: "ada" } as const;
const NOW_MS = 1_800_000_000_000;

type Ledger = Room<LedgerCommand, LedgerEvent>;

function submit(room: Ledger, key: string, command: LedgerCommand): ReturnType<Ledger["submit"]> {
  return room.submit({ key: `key-${key}`, actor: PERSON, command, nowMs: NOW_MS, seed: 7 });
}

function deposit(room: Ledger, key: string, account: string, amount: number): void {
  submit(room, key, { type: "account.deposit", account, amount });
}

function fill(room: Ledger): void {
  deposit(room, "fill-1", "ada", 100);
  deposit(room, "fill-2", "bob", 10);
  submit(room, "fill-3", { type: "account.transfer", from: "ada", to: ["bob", "cy", "dee"], amount: 5 });
  submit(room, "fill-4", { type: "note.write", text: "naïve – ✓ 𝒳\u0000end" });
  submit(room, "fill-5", { type: "reminder.set", name: "tea", dueAtMs: NOW_MS + 1000 });
  submit(room, "fill-6", { type: "reminder.set", name: "bed", dueAtMs: NOW_MS + 5000 });
  room.wake(NOW_MS + 1000, 3);
}

/** What a room promises on every storage: part of the storage contract. */
export function describeRoomContract(withStorage: WithStorage): void {
  test("sequence numbers are gap-free, also over refusals and reopening", () =>
    withStorage((session) => {
      const room = new Room(ledgerRoom, session.storage);
      fill(room);
      submit(room, "poor", { type: "account.transfer", from: "cy", to: ["ada"], amount: 500 });
      const again = new Room(ledgerRoom, session.reopen());
      deposit(again, "after", "ada", 1);
      const seqs = again.eventsAfter(0, 1000).map((event) => event.seq);
      expect(seqs).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
      expect(again.lastSeq).toBe(12);
      expect(again.eventsAfter(10, 1).map((event) => event.seq)).toEqual([11]);
    }));

  test("a second delivery of a key gets the first answer, accepted or refused, and does nothing", () =>
    withStorage((session) => {
      const room = new Room(ledgerRoom, session.storage);
      deposit(room, "start", "ada", 10);
      const accepted = submit(room, "one", { type: "account.deposit", account: "ada", amount: 5 });
      const refused = submit(room, "two", { type: "account.transfer", from: "ada", to: ["bob"], amount: 99 });
      deposit(room, "rich", "ada", 1000);
      const again = new Room(ledgerRoom, session.reopen());
      expect(submit(again, "one", { type: "account.deposit", account: "ada", amount: 5 })).toEqual(accepted);
      expect(
        submit(again, "two", { type: "account.transfer", from: "ada", to: ["bob"], amount: 99 }),
      ).toEqual(refused);
      expect(accepted).toEqual({ type: "accepted", seq: 2, result: { balance: 15 } });
      expect(refused).toEqual({ type: "rejection", code: "command.invalid", message: "ada lacks 84" });
      expect(again.lastSeq).toBe(3);
      expect(selectBalances(again.sql)).toEqual([["ada", 1015]]);
    }));

  test("a refusal after events were emitted undoes them", () =>
    withStorage(({ storage }) => {
      const room = new Room(ledgerRoom, storage);
      deposit(room, "start", "ada", 10);
      const before = dumpLedger(room.sql);
      const told: EventEnvelope[] = [];
      room.subscribe((events) => told.push(...events));
      submit(room, "poor", { type: "account.transfer", from: "ada", to: ["bob", "cy"], amount: 99 });
      expect(dumpLedger(room.sql)).toEqual(before);
      expect(room.eventsAfter(0, 100).length).toBe(1);
      expect(told).toEqual([]);
    }));

  test("timers ring once, in order, and survive reopening", () =>
    withStorage((session) => {
      const room = new Room(ledgerRoom, session.storage);
      submit(room, "late", { type: "reminder.set", name: "late", dueAtMs: NOW_MS + 9000 });
      submit(room, "soon", { type: "reminder.set", name: "soon", dueAtMs: NOW_MS + 100 });
      expect(room.nextWakeMs()).toBe(NOW_MS + 100);
      const again = new Room(ledgerRoom, session.reopen());
      expect(again.wake(NOW_MS + 99, 1)).toBe(NOW_MS + 100);
      expect(again.lastSeq).toBe(2);
      expect(again.wake(NOW_MS + 10_000, 1)).toBeNull();
      const types = again.eventsAfter(2, 10).map((event) => event.type);
      expect(types).toEqual(["timer.fired", "reminder.rang", "timer.fired", "reminder.rang"]);
      expect(again.sql.exec("SELECT name, rang FROM reminders ORDER BY name")).toEqual([
        { name: "late", rang: 1 },
        { name: "soon", rang: 1 },
      ]);
    }));

  test("replay rebuilds every table byte for byte", () =>
    withStorage(({ storage }) => {
      const room = new Room(ledgerRoom, storage);
      fill(room);
      const before = dumpLedger(room.sql);
      room.replay();
      expect(dumpLedger(room.sql)).toEqual(before);
      expect(JSON.stringify(before)).toContain("naïve");
    }));

  test("subscribers are told in order, a command's events together, after the commit", () =>
    withStorage(({ storage }) => {
      const room = new Room(ledgerRoom, storage);
      const told: (readonly [string, readonly number[]])[] = [];
      const note = (who: string) => (events: readonly EventEnvelope[]) => {
        expect(room.lastSeq).toBe(events.at(-1)?.seq);
        told.push([who, events.map((event) => event.seq)]);
      };
      const stop = room.subscribe(note("first"));
      room.subscribe(note("second"));
      deposit(room, "one", "ada", 50);
      submit(room, "two", { type: "account.transfer", from: "ada", to: ["bob", "cy"], amount: 1 });
      stop();
      deposit(room, "three", "ada", 1);
      expect(told).toEqual([
        ["first", [1]],
        ["second", [1]],
        ["first", [2, 3, 4]],
        ["second", [2, 3, 4]],
        ["second", [5]],
      ]);
    }));

  test("an event of a megabyte is kept and replayed", () =>
    withStorage(({ storage }) => {
      const room = new Room(ledgerRoom, storage);
      const text = "0123456789".repeat(100_000);
      submit(room, "large", { type: "note.write", text });
      room.replay();
      expect(submit(room, "read", { type: "note.read" })).toEqual({
        type: "accepted",
        seq: 1,
        result: [text],
      });
    }));

  test("a migration that was appended later keeps what is there", () =>
    withStorage((session) => {
      fill(new Room(ledgerRoom, session.storage));
      const later = new Room(laterLedgerRoom, session.reopen());
      expect(selectBalances(later.sql)).toEqual([
        ["ada", 85],
        ["bob", 15],
        ["cy", 5],
        ["dee", 5],
      ]);
      expect(later.sql.exec("SELECT DISTINCT currency FROM accounts")[0]?.["currency"]).toBe("EUR");
      const before = dumpLedger(later.sql);
      later.replay();
      expect(dumpLedger(later.sql)).toEqual(before);
    }));
}
