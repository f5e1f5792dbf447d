import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Room, createRandom } from "@canopy/core";
import type { EventEnvelope } from "@canopy/protocol";
import { expect, test } from "vitest";
import { dumpLedger, ledgerRoom } from "./contract/ledger-room.ts";
import { openNodeStorage } from "./open-node-storage.ts";

const ROUNDS = 220;
const MAX_LIFE_MS = 25;
const START_UP_MS = 80;
const WRITER = join(import.meta.dirname, "contract", "sigkill-writer.ts");

interface Acknowledged {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/**
 * Starts the writer, kills it at a random moment (`share` of the longest life) after it was ready (or, in every tenth round, after it was started), and returns
 * what it had acknowledged by then.
 */
async function runAndKill(folder: string, round: number, share: number): Promise<Acknowledged[]> {
  const outputPath = join(folder, "acknowledged");
  const output = openSync(outputPath, "w");
  const writer = spawn(process.execPath, [WRITER, join(folder, "room.db"), String(round)], {
    stdio: ["ignore", "pipe", "inherit", output],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compile-cache") },
  });
  const exited = once(writer, "exit");
  if (round % 10 === 9) {
    await delay(share * START_UP_MS);
  } else {
    await Promise.race([once(writer.stdout ?? writer, "data"), exited]);
    await delay(share * MAX_LIFE_MS);
  }
  writer.kill("SIGKILL");
  expect(await exited).toEqual([null, "SIGKILL"]);
  closeSync(output);
  const complete = readFileSync(outputPath, "utf8").split("\n").slice(0, -1);
  return complete.map((line) => {
    const [firstSeq = 0, lastSeq = 0] = line.split(" ").map(Number);
    return { firstSeq, lastSeq };
  });
}

interface MovedPayload {
  readonly account: string;
  readonly amount: number;
  readonly position?: number;
  readonly size?: number;
}

/** A second, independent account of what the journal says, kept over all rounds. */
class Model {
  readonly balances = new Map<string, { balance: number; last_seq: number }>();
  seq = 0;

  apply(events: readonly EventEnvelope[]): void {
    let expectedPosition = 1;
    let size = 0;
    let key = "";
    for (const event of events) {
      expect(event.seq, "the journal has no gap").toBe(this.seq + 1);
      this.seq = event.seq;
      if (event.type !== "account.deposited" && event.type !== "account.moved") continue;
      const payload = event.payload as unknown as MovedPayload;
      if (event.type === "account.moved") {
        if (payload.position === 1) ({ size = 0, key } = { size: payload.size, key: event.commandKey });
        expect([payload.position, event.commandKey], `event ${event.seq}`).toEqual([expectedPosition, key]);
        expectedPosition = payload.position === size ? 1 : expectedPosition + 1;
      }
      const balance = (this.balances.get(payload.account)?.balance ?? 0) + payload.amount;
      this.balances.set(payload.account, { balance, last_seq: event.seq });
    }
    expect(expectedPosition, "the last command has all its events").toBe(1);
  }

  accounts(): unknown[] {
    return [...this.balances]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([account, value]) => ({ account, balance: value.balance, last_seq: value.last_seq }));
  }
}

test(`a room that is killed ${ROUNDS} times loses nothing that it acknowledged and keeps nothing by halves`, async () => {
  const seed = Number(process.env["CANOPY_TEST_SEED"] ?? Date.now() % 1_000_000);
  const random = createRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "canopy-sigkill-"));
  const model = new Model();
  let acknowledgedCount = 0;
  let unacknowledgedCount = 0;
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const acknowledged = await runAndKill(folder, seed * 1000 + round, random());
      using storage = openNodeStorage(join(folder, "room.db"));
      const room = new Room(ledgerRoom, storage);
      const events = room.eventsAfter(model.seq, 1_000_000);
      const keyOf = new Map(events.map((event) => [event.seq, event.commandKey]));
      for (const { firstSeq, lastSeq } of acknowledged) {
        const keys = Array.from({ length: lastSeq - firstSeq + 1 }, (_, index) =>
          keyOf.get(firstSeq + index),
        );
        expect(
          new Set(keys).size,
          `seed ${seed}, round ${round}: ${firstSeq}-${lastSeq} is one command`,
        ).toBe(1);
        expect(keys).not.toContain(undefined);
      }
      acknowledgedCount += acknowledged.length;
      if (room.lastSeq > (acknowledged.at(-1)?.lastSeq ?? model.seq)) unacknowledgedCount += 1;
      model.apply(events);
      const before = dumpLedger(storage.sql);
      expect(before["accounts"], `seed ${seed}, round ${round}`).toEqual(model.accounts());
      if (round % 50 !== 49 && round !== ROUNDS - 1) continue;
      room.replay();
      expect(dumpLedger(storage.sql), `seed ${seed}, round ${round}`).toEqual(before);
    }
    process.stderr.write(
      `sigkill: ${acknowledgedCount} acknowledged commands, ${model.seq} events, ` +
        `${unacknowledgedCount} rounds in which the last commit was not yet acknowledged, seed ${seed}\n`,
    );
    expect(acknowledgedCount).toBeGreaterThan(ROUNDS);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
