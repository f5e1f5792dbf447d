import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Room } from "@canopy/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeStorageContract } from "./contract/describe-storage-contract.ts";
import { dumpLedger, laterLedgerRoom, ledgerRoom } from "./contract/ledger-room.ts";
import { listMigrationIds } from "./list-migration-ids.ts";
import { openMemoryStorage, openNodeStorage } from "./open-node-storage.ts";

describeStorageContract("node:sqlite on a file", async (work) => {
  const folder = mkdtempSync(join(tmpdir(), "canopy-store-"));
  let storage = openNodeStorage(join(folder, "room.db"));
  try {
    work({
      storage,
      reopen: () => {
        storage[Symbol.dispose]();
        storage = openNodeStorage(join(folder, "room.db"));
        return storage;
      },
    });
  } finally {
    storage[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  }
});

describeStorageContract("node:sqlite in memory", async (work) => {
  using storage = openMemoryStorage();
  work({ storage, reopen: () => storage });
});

describe("openNodeStorage", () => {
  let folder = "";
  const path = (): string => join(folder, "room.db");

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "canopy-store-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("the example of the README", () => {
    using storage = openNodeStorage(path(), { knownMigrations: listMigrationIds(ledgerRoom) });
    const room = new Room(ledgerRoom, storage);
    const answer = room.submit({
      key: "deposit-1",
      actor: { kind: "person", id: "ada" },
      command: { type: "account.deposit", account: "ada", amount: 5 },
      nowMs: Date.now(),
      seed: 1,
    });
    expect(answer).toEqual({ type: "accepted", seq: 1, result: { balance: 5 } });
  });

  test("the file and its log are for their owner only", () => {
    using storage = openNodeStorage(path());
    storage.sql.exec("CREATE TABLE items (v INTEGER)");
    const modes = ["", "-wal"].map((suffix) => statSync(`${path()}${suffix}`).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600]);
  });

  test("missing folders are made, for their owner only", () => {
    using storage = openNodeStorage(join(folder, "a", "b", "room.db"));
    expect(storage.sizeBytes()).toBeGreaterThan(0);
    expect(statSync(join(folder, "a", "b")).mode & 0o777).toBe(0o700);
  });

  test("a second writer is refused while the first is open", () => {
    const first = openNodeStorage(path());
    first.sql.exec("CREATE TABLE items (v INTEGER)");
    const error = { code: "store.failed", retry: true, data: { path: path(), sqliteCode: 5 } };
    expect(() => openNodeStorage(path(), { busyTimeoutMs: 10 })).toThrow(expect.objectContaining(error));
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    using second = openNodeStorage(path(), { busyTimeoutMs: 10 });
    expect(second.sql.exec("SELECT * FROM items")).toEqual([]);
  });

  test("a database of a newer version is refused and stays as it was", () => {
    const known = listMigrationIds(ledgerRoom);
    expect(known).toEqual(["journal-1", "timers-1", "ledger-1"]);
    openAndClose(() => openNodeStorage(path()), laterLedgerRoom);
    const before = readFileSync(path());
    expect(() => openNodeStorage(path(), { knownMigrations: known })).toThrow(
      expect.objectContaining({
        code: "store.failed",
        message: `the database ${path()} was written by a newer version of Canopy`,
        data: { path: path(), unknownMigrations: ["ledger-2"] },
      }),
    );
    expect(readFileSync(path()).equals(before)).toBe(true);
    using storage = openNodeStorage(path(), { knownMigrations: listMigrationIds(laterLedgerRoom) });
    expect(storage.sql.exec("SELECT COUNT(*) AS count FROM migrations")[0]?.["count"]).toBe(4);
  });

  test("reading only needs a file, and never writes", () => {
    const missing = { code: "store.failed", message: `there is no database at ${path()}` };
    expect(() => openNodeStorage(path(), { readOnly: true })).toThrow(expect.objectContaining(missing));
    openAndClose(() => openNodeStorage(path()), ledgerRoom);
    using storage = openNodeStorage(path(), { readOnly: true });
    expect(dumpLedger(storage.sql)["accounts"]).toEqual([]);
    expect(() => storage.sql.exec("DELETE FROM accounts")).toThrow(
      expect.objectContaining({ code: "store.failed" }),
    );
  });

  test("a file that is no database, and a folder that cannot be made, are told apart", () => {
    writeFileSync(path(), "this is no database, however long this text may be".repeat(20));
    expect(() => openNodeStorage(path())).toThrow(
      expect.objectContaining({ code: "store.failed", data: { path: path(), sqliteCode: 26 } }),
    );
    expect(() => openNodeStorage(join(path(), "room.db"))).toThrow(
      expect.objectContaining({
        code: "store.failed",
        data: { path: join(path(), "room.db"), errno: "EEXIST" },
        hint: "check that the folder exists and that you may write to it",
      }),
    );
  });

  test("an integer that a number cannot hold is an error, never a bigint", () => {
    using storage = openMemoryStorage();
    expect(() => storage.sql.exec("SELECT 9007199254740993 AS large")).toThrow("9007199254740993");
  });

  test("two statements in one call are a bug, not a silent loss", () => {
    using storage = openMemoryStorage();
    expect(() => storage.sql.exec("CREATE TABLE a (v); CREATE TABLE b (v)")).toThrow(
      "more than one statement in a call",
    );
    storage.sql.exec("CREATE TABLE c (v); ");
    expect(storage.sql.exec("SELECT * FROM c")).toEqual([]);
  });
});

function openAndClose(open: () => ReturnType<typeof openNodeStorage>, definition: typeof ledgerRoom): void {
  using storage = open();
  expect(new Room(definition, storage).lastSeq).toBe(0);
}
