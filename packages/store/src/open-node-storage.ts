import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import type { RoomStorage, Sql, SqlRow, SqlValue, Synchronous } from "@canopy/core";
import { CanopyError } from "@canopy/protocol";

/** A room's database on this machine. Disposing closes it. */
export interface NodeStorage extends RoomStorage, Disposable {}

/** SQLite's result codes for a full disk: SQLITE_FULL, and SQLITE_IOERR with its extensions. */
const SQLITE_FULL = 13;
const SQLITE_BUSY = 5;
const CACHED_STATEMENTS = 500;

/**
 * Opens (or makes) a room's database in a file of mode 0600: WAL with `synchronous = NORMAL`, so that a killed process
 * loses nothing that was acknowledged, and a power cut at most the last moments, never the database. One writer.
 * Throws `store.failed`, or `disk.full`.
 */
export function openNodeStorage(path: string): NodeStorage {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path, { timeout: 5000 });
    chmodSync(path, 0o600);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = NORMAL");
    database.exec("PRAGMA wal_autocheckpoint = 1000");
    return new SqliteStorage(database, path);
  } catch (error) {
    throw describeFailure(error, path);
  }
}

/** Opens a room's database in memory: for tests, and for what need not last. */
export function openMemoryStorage(): NodeStorage {
  return new SqliteStorage(new DatabaseSync(":memory:"), ":memory:");
}

class SqliteStorage implements NodeStorage {
  readonly sql: Sql;
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, StatementSync>();
  #isInTransaction = false;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    database.exec("PRAGMA foreign_keys = ON");
    this.sql = { exec: (query, ...bindings) => this.#exec(query, bindings) };
  }

  transaction<T>(work: () => Synchronous<T>): T {
    if (this.#isInTransaction) throw new Error("broken invariant: transactions do not nest");
    this.#run("BEGIN IMMEDIATE");
    this.#isInTransaction = true;
    try {
      const result = work();
      this.#run("COMMIT");
      return result;
    } catch (error) {
      // A full disk may have rolled back already; a second rollback is then an error of no interest.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  sizeBytes(): number {
    const [pages] = this.#exec(
      "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size",
      [],
    );
    const bytes = pages?.["bytes"];
    return typeof bytes === "number" ? bytes : 0;
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #run(statement: string): void {
    try {
      this.#database.exec(statement);
    } catch (error) {
      throw describeFailure(error, this.#path);
    }
  }

  #exec(query: string, bindings: readonly SqlValue[]): SqlRow[] {
    try {
      const parameters: SQLInputValue[] = [...bindings];
      return this.#prepare(query)
        .all(...parameters)
        .map((row) => parseRow(row));
    } catch (error) {
      throw describeFailure(error, this.#path);
    }
  }

  #prepare(query: string): StatementSync {
    const known = this.#statements.get(query);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(query);
    if (this.#statements.size >= CACHED_STATEMENTS) this.#statements.clear();
    this.#statements.set(query, statement);
    return statement;
  }
}

/** The driver's row type also allows bigint, which it gives only when asked to. */
function parseRow(row: Record<string, unknown>): SqlRow {
  return row as SqlRow;
}

function readErrorCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error)) return null;
  return typeof error.errcode === "number" ? error.errcode & 0xff : null;
}

function describeFailure(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = readErrorCode(error);
  const isNoSpace = "code" in error && error.code === "ENOSPC";
  if (code === SQLITE_FULL || isNoSpace) {
    return new CanopyError("disk.full", `no space left for ${path}`, {
      hint: "free some space; nothing that was acknowledged is lost",
      retry: true,
      cause: error,
    });
  }
  const isOutside =
    code !== null || ("code" in error && typeof error.code === "string" && /^E[A-Z]+$/.test(error.code));
  if (!isOutside) return error;
  return new CanopyError("store.failed", `${path}: ${error.message}`, {
    retry: code === SQLITE_BUSY,
    cause: error,
  });
}
