import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Room, projectRoom } from "@canopy/core";
import { openMemoryStorage, openNodeStorage } from "@canopy/store";
import { ledgerRoom } from "../packages/store/src/contract/ledger-room.ts";
import type { BenchResult } from "./bench-result.ts";
import type { Measured } from "./measure.ts";
import { measureSteps } from "./measure.ts";

const COMMANDS = 10_000;
const HISTORY = 100_000;
const PERSON = { kind: "person", id: "ada" } as const;
const START_MS = 1_800_000_000_000;

type Durability = "normal" | "full";

/** What a room cannot be faster than: one insert a transaction, nothing else. */
function measureBareInserts(path: string, durability: Durability): Measured {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability.toUpperCase()}`);
  database.exec("CREATE TABLE journal (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO journal (payload) VALUES (?)");
  const payload = JSON.stringify({ account: "account-1", amount: 5 });
  const measured = measureSteps(COMMANDS, () => insert.run(payload));
  database.close();
  return measured;
}

/** One event a command, with `history` events behind it. */
function measureLedger(path: string, durability: Durability, history: number): Measured {
  using storage = openNodeStorage(path, { durability });
  const room = new Room(ledgerRoom, storage);
  const deposit = (index: number): void => {
    const command = { type: "account.deposit", account: `account-${index % 100}`, amount: 5 };
    room.submit({
      key: `command-${room.lastSeq}`,
      actor: PERSON,
      command,
      nowMs: START_MS + index,
      seed: index,
    });
  };
  for (let index = 0; index < history; index += 1) deposit(index);
  return measureSteps(COMMANDS, deposit);
}

/** The real project room: one task a command, parsed, decided, projected, with `history` tasks behind it. */
function measureProject(path: string, history: number, count: number): Measured {
  using storage = openNodeStorage(path);
  const room = new Room(projectRoom, storage);
  let number = 0;
  const create = (): void => {
    number += 1;
    const command = { type: "task.create", task: { title: `Task ${number}` } };
    const answer = room.submit({
      key: `create-${number}`,
      actor: PERSON,
      command,
      nowMs: START_MS,
      seed: number,
    });
    if (answer.type !== "accepted") throw new Error(answer.message);
  };
  for (let index = 0; index < history; index += 1) create();
  return measureSteps(count, create);
}

function measureMemory(): Measured {
  using storage = openMemoryStorage();
  const room = new Room(ledgerRoom, storage);
  return measureSteps(COMMANDS, (index) => {
    const command = { type: "account.deposit", account: `account-${index % 100}`, amount: 5 };
    room.submit({ key: `command-${index}`, actor: PERSON, command, nowMs: START_MS + index, seed: index });
  });
}

/** Commands a second of a room with 1 and with 100,000 events behind it, against bare inserts in the same run. */
export async function run(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "canopy-bench-"));
  const row = (name: string, measured: Measured): (string | number)[] => [
    name,
    measured.perSecond,
    measured.p50Ms,
    measured.p99Ms,
  ];
  try {
    return {
      name: "rooms",
      columns: ["what", "per second", "p50 ms", "p99 ms"],
      rows: [
        row("bare insert, synchronous NORMAL", measureBareInserts(join(folder, "a.db"), "normal")),
        row("room, 1 event behind it", measureLedger(join(folder, "b.db"), "normal", 1)),
        row("room, 100,000 events behind it", measureLedger(join(folder, "c.db"), "normal", HISTORY)),
        row("room in memory, 1 event behind it", measureMemory()),
        row("project room, task.create, empty", measureProject(join(folder, "d.db"), 0, 2000)),
        row("project room, task.create, 10,000 tasks", measureProject(join(folder, "e.db"), 10_000, 2000)),
        row("bare insert, synchronous FULL", measureBareInserts(join(folder, "f.db"), "full")),
        row("room, synchronous FULL", measureLedger(join(folder, "g.db"), "full", 1)),
      ],
      notes: [
        `${COMMANDS} commands of one event each, one transaction a command; NORMAL survives SIGKILL, FULL a power cut too`,
        "a command is three writes (journal, answer, projection) where the bare insert is one",
        `database on ${folder}`,
      ],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
