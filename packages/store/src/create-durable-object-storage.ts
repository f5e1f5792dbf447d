import type { RoomStorage, SqlRow, SqlValue } from "@canopy/core";

/** What is used of a Durable Object's `ctx.storage`, so that this package needs none of its types. */
export interface DurableObjectStorageLike {
  readonly sql: {
    exec(query: string, ...bindings: SqlValue[]): { toArray(): Record<string, unknown>[] };
    readonly databaseSize: number;
  };
  transactionSync<T>(work: () => T): T;
}

/** A room's database in a Durable Object. */
export function createDurableObjectStorage(storage: DurableObjectStorageLike): RoomStorage {
  return {
    sql: {
      exec: (query, ...bindings) =>
        storage.sql
          .exec(query, ...bindings)
          .toArray()
          .map((row) => parseRow(row)),
    },
    transaction: (work) => storage.transactionSync(work),
    sizeBytes: () => storage.sql.databaseSize,
  };
}

/** Blobs come back as ArrayBuffer; the port promises bytes. */
function parseRow(row: Record<string, unknown>): SqlRow {
  const parsed: Record<string, SqlValue> = {};
  for (const [column, value] of Object.entries(row)) {
    parsed[column] = value instanceof ArrayBuffer ? new Uint8Array(value) : (value as SqlValue);
  }
  return parsed;
}
