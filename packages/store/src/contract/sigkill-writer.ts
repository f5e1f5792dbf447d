// Runs as a process of its own and dies by SIGKILL: prints `ready`, then submits commands as fast as it can and writes
// one line for each acknowledged one, `FIRST_SEQ LAST_SEQ`, to descriptor 3. Arguments: the database, then a seed that
// is new in every round.
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { Room, createRandom } from "@canopy/core";
import { openNodeStorage } from "../open-node-storage.ts";
import type { LedgerCommand } from "./ledger-room.ts";
import { ledgerRoom } from "./ledger-room.ts";

const [path = "", seedText = "0"] = process.argv.slice(2);
const seed = Number(seedText);
const random = createRandom(seed);
const storage = openNodeStorage(path);
const room = new Room(ledgerRoom, storage);

function account(): string {
  return `account-${Math.floor(random() * 20)}`;
}

function nextCommand(): LedgerCommand {
  const choice = random();
  if (choice < 0.3) return { type: "account.deposit", account: account(), amount: 1000 };
  if (choice < 0.32)
    return { type: "reminder.set", name: account(), dueAtMs: Math.floor(random() * 1_000_000) };
  const to = Array.from({ length: 1 + Math.floor(random() * 8) }, () => account());
  return { type: "account.transfer", from: account(), to, amount: 1 + Math.floor(random() * 50) };
}

// A killed process never writes its compile cache, and compiling is most of a round.
flushCompileCache();
writeSync(1, "ready\n");
for (let count = 0; ; count += 1) {
  const before = room.lastSeq;
  const answer = room.submit({
    key: `round-${seed}-${count}`,
    actor: { kind: "system", id: "writer" },
    command: nextCommand(),
    nowMs: count,
    seed: count,
  });
  if (answer.type === "accepted") writeSync(3, `${before + 1} ${answer.seq}\n`);
}
