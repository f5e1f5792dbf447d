// Runs inside a mount namespace of its own, on a file system of 1 MB: fills it, and prints as one line of JSON what the
// storage answered, how far the room came, and whether it works again after space was made.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Room } from "@canopy/core";
import { isCanopyError } from "@canopy/protocol";
import { openNodeStorage } from "../open-node-storage.ts";
import { ledgerRoom } from "./ledger-room.ts";

const [folder = ""] = process.argv.slice(2);
writeFileSync(join(folder, "ballast"), new Uint8Array(300_000));
using storage = openNodeStorage(join(folder, "room.db"));
const room = new Room(ledgerRoom, storage);

function write(key: string): string {
  const command = { type: "note.write", text: "x".repeat(20_000) };
  const actor = { kind: "system", id: "writer" } as const;
  try {
    return room.submit({ key, actor, command, nowMs: 1, seed: 1 }).type;
  } catch (error) {
    return isCanopyError(error) ? error.code : String(error);
  }
}

const answers: string[] = [];
for (let count = 0; count < 100 && answers.at(-1) !== "disk.full"; count += 1)
  answers.push(write(`note-${count}`));
const seqWhenFull = room.lastSeq;
rmSync(join(folder, "ballast"));
const afterwards = write("afterwards");
const noteCount = storage.sql.exec("SELECT COUNT(*) AS count FROM notes")[0]?.["count"];
const events = room.eventsAfter(0, 1000).map((event) => event.seq);
process.stdout.write(
  JSON.stringify({
    last: answers.at(-1),
    accepted: answers.length - 1,
    seqWhenFull,
    afterwards,
    noteCount,
    events,
  }),
);
