import type { RoomStorage } from "@canopy/core";
import { describe, expect, test } from "vitest";
import { describeRoomContract } from "./describe-room-contract.ts";
import type { WithStorage } from "./with-storage.ts";

/** The promises of the storage port that have no room in them. */
function describeSql(withStorage: WithStorage): void {
  test("values come back as they were bound", () =>
    withStorage(({ storage: { sql } }) => {
      sql.exec("CREATE TABLE kinds (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c REAL, d BLOB, e TEXT)");
      const blob = new Uint8Array([0, 1, 255]);
      sql.exec("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?)", 1, "é\u0000✓", 2 ** 53 - 1, 0.1, blob, null);
      expect(sql.exec("SELECT * FROM kinds")).toEqual([
        { id: 1, a: "é\u0000✓", b: 9_007_199_254_740_991, c: 0.1, d: blob, e: null },
      ]);
    }));

  test("a megabyte of text and of bytes survives", () =>
    withStorage(({ storage: { sql } }) => {
      const text = "ü".repeat(500_000);
      const bytes = new Uint8Array(1_000_000).fill(7);
      sql.exec("CREATE TABLE large (text TEXT, bytes BLOB)");
      sql.exec("INSERT INTO large VALUES (?, ?)", text, bytes);
      const [row] = sql.exec("SELECT text, bytes, length(bytes) AS length FROM large");
      expect(row?.["length"]).toBe(1_000_000);
      expect(row?.["text"] === text).toBe(true);
      const read = row?.["bytes"];
      expect(
        read instanceof Uint8Array && read.length === 1_000_000 && read.every((byte) => byte === 7),
      ).toBe(true);
    }));

  test("a hundred bindings are taken, one more is a bug", () =>
    withStorage(({ storage: { sql } }) => {
      const values = Array.from({ length: 100 }, (_, index) => index);
      const query = (count: number): string => `SELECT ${Array(count).fill("?").join(" + ")} AS sum`;
      expect(sql.exec(query(100), ...values)[0]?.["sum"]).toBe(4950);
      expect(() => sql.exec(query(101), ...values, 1)).toThrow("101 values bound by one statement");
    }));

  test("statements that only one of the bindings knows are refused", () =>
    withStorage(({ storage: { sql } }) => {
      for (const query of ["BEGIN", "COMMIT", "PRAGMA user_version", "ATTACH 'x' AS y", "vacuum"]) {
        expect(() => sql.exec(query)).toThrow("a statement that Durable Objects refuse");
      }
    }));

  test("upsert, returning, json and common table expressions work", () =>
    withStorage(({ storage: { sql } }) => {
      sql.exec("CREATE TABLE counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL)");
      const upsert =
        "INSERT INTO counts VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count";
      expect([sql.exec(upsert, "a"), sql.exec(upsert, "a")].map(([row]) => row?.["count"])).toEqual([1, 2]);
      const [row] = sql.exec(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT json_group_array(i) AS list FROM n",
      );
      expect(row?.["list"]).toBe("[1,2,3,4]");
    }));

  test("foreign keys are enforced", () =>
    withStorage(({ storage: { sql } }) => {
      sql.exec("CREATE TABLE parents (id INTEGER PRIMARY KEY)");
      sql.exec("CREATE TABLE children (parent INTEGER NOT NULL REFERENCES parents (id))");
      expect(() => sql.exec("INSERT INTO children VALUES (1)")).toThrow(
        expect.objectContaining({ code: "store.failed" }),
      );
    }));
}

/** The promises of transactions. */
function describeTransactions(withStorage: WithStorage): void {
  const rows = (storage: RoomStorage): unknown[] =>
    storage.sql.exec("SELECT v FROM items ORDER BY v").map((row) => row["v"]);

  test("an exception undoes everything and is rethrown as it was", () =>
    withStorage(({ storage }) => {
      storage.sql.exec("CREATE TABLE items (v INTEGER)");
      storage.transaction(() => void storage.sql.exec("INSERT INTO items VALUES (1)"));
      const failure = new Error("stop");
      const thrown = catchError(() =>
        storage.transaction(() => {
          storage.sql.exec("INSERT INTO items VALUES (2)");
          storage.sql.exec("CREATE TABLE other (v INTEGER)");
          throw failure;
        }),
      );
      expect(thrown).toBe(failure);
      expect(rows(storage)).toEqual([1]);
      expect(() => storage.sql.exec("SELECT * FROM other")).toThrow("other");
      storage.transaction(() => void storage.sql.exec("INSERT INTO items VALUES (3)"));
      expect(rows(storage)).toEqual([1, 3]);
    }));

  test("a failing statement leaves the transaction usable when it is caught", () =>
    withStorage(({ storage }) => {
      storage.sql.exec("CREATE TABLE items (v INTEGER PRIMARY KEY)");
      storage.transaction(() => {
        storage.sql.exec("INSERT INTO items VALUES (1)");
        expect(() => storage.sql.exec("INSERT INTO items VALUES (1)")).toThrow(
          expect.objectContaining({ code: "store.failed" }),
        );
        storage.sql.exec("INSERT INTO items VALUES (2)");
      });
      expect(rows(storage)).toEqual([1, 2]);
    }));

  test("a transaction inside a transaction is refused and undoes the outer one", () =>
    withStorage(({ storage }) => {
      storage.sql.exec("CREATE TABLE items (v INTEGER)");
      expect(() =>
        storage.transaction(() => {
          storage.sql.exec("INSERT INTO items VALUES (1)");
          storage.transaction(() => null);
        }),
      ).toThrow("a transaction inside a transaction");
      expect(rows(storage)).toEqual([]);
    }));

  test("a promise as the outcome is refused and undone", () =>
    withStorage(({ storage }) => {
      storage.sql.exec("CREATE TABLE items (v INTEGER)");
      const work: () => never = () => {
        storage.sql.exec("INSERT INTO items VALUES (1)");
        return Promise.resolve() as never;
      };
      expect(() => storage.transaction(work)).toThrow("returned a promise");
      expect(rows(storage)).toEqual([]);
    }));

  test("what was committed is there after opening again", () =>
    withStorage((session) => {
      session.storage.sql.exec("CREATE TABLE items (v INTEGER)");
      session.storage.transaction(() => void session.storage.sql.exec("INSERT INTO items VALUES (1)"));
      const size = session.storage.sizeBytes();
      expect(size).toBeGreaterThan(0);
      expect(rows(session.reopen())).toEqual([1]);
    }));
}

function catchError(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The suite that every binding of the storage port passes, so that nothing unportable creeps into a room. */
export function describeStorageContract(name: string, withStorage: WithStorage): void {
  describe(`${name}: sql`, () => describeSql(withStorage));
  describe(`${name}: transactions`, () => describeTransactions(withStorage));
  describe(`${name}: rooms`, () => describeRoomContract(withStorage));
}
