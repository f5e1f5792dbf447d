import type { RoomStorage, SqlRow, SqlValue, Synchronous } from "@canopy/core";
import { CanopyError, assert } from "@canopy/protocol";
import { assertBindings, assertPortable, assertSynchronous } from "./portable-sql.ts";
import { diskFull } from "./store-error.ts";

/** What is used of a Durable Object's `ctx.storage`; described by its shape, so that no Cloudflare type is needed. */
export interface DurableObjectStorageLike {
  readonly sql: {
    readonly databaseSize: number;
    exec(query: string, ...bindings: unknown[]): { toArray(): Record<string, unknown>[] };
  };
  transactionSync<T>(work: () => T): T;
}

const PATH = "durable-object";

/**
 * The storage port on a Durable Object's own SQLite. Needs the object's class to be declared with SQLite storage. The
 * object's lifetime is the platform's: there is nothing to dispose.
 */
export function createDurableObjectStorage(storage: DurableObjectStorageLike): RoomStorage {
  let isInTransaction = false;
  return {
    sql: { exec: (query, ...bindings) => execute(storage, query, bindings) },
    sizeBytes: () => storage.sql.databaseSize,
    transaction<T>(work: () => Synchronous<T>): T {
      assert(!isInTransaction, "a transaction inside a transaction");
      isInTransaction = true;
      try {
        return storage.transactionSync<T>(() => {
          const result = work();
          assertSynchronous(result);
          return result;
        });
      } finally {
        isInTransaction = false;
      }
    },
  };
}

function execute(storage: DurableObjectStorageLike, query: string, bindings: readonly SqlValue[]): SqlRow[] {
  assertBindings(query, bindings);
  assertPortable(query);
  try {
    return storage.sql
      .exec(query, ...bindings)
      .toArray()
      .map((row) => parseRow(row));
  } catch (error) {
    throw toDurableObjectError(error);
  }
}

/** Workerd gives no code, only SQLite's symbol at the end of the message. */
function toDurableObjectError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const symbol = /\bSQLITE_[A-Z_]+\b/.exec(error.message)?.[0];
  if (symbol === undefined) return error;
  if (symbol === "SQLITE_FULL") return diskFull(PATH, error);
  return new CanopyError("store.failed", `the room's database failed: ${error.message}`, {
    data: { path: PATH, sqliteSymbol: symbol },
    cause: error,
  });
}

function parseRow(row: Record<string, unknown>): SqlRow {
  for (const [column, value] of Object.entries(row)) {
    if (value instanceof ArrayBuffer) row[column] = new Uint8Array(value);
  }
  return row as SqlRow;
}
