import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DatabaseSync as Database } from "node:sqlite";
import type { RoomStorage, Sql, SqlRow, SqlValue, Synchronous } from "@canopy/core";
import { CanopyError, assert } from "@canopy/protocol";
import { assertBindings, assertPortable, assertSingleStatement, assertSynchronous } from "./portable-sql.ts";
import { diskFull, toStoreError } from "./store-error.ts";

/** How a database on this machine is opened. */
export interface NodeStorageOptions {
  /** Opens an existing file for reading only. */
  readonly readOnly?: boolean;
  /**
   * Ids of every migration that this program knows (`listMigrationIds`). A file that has others was written by a newer
   * version: it is refused with `store.failed` before anything is written.
   */
  readonly knownMigrations?: readonly string[];
  /** `normal` (default) survives the death of the process, `full` also a power cut, at the price of one fsync a commit. */
  readonly durability?: "normal" | "full";
  /** How long to wait for another process to let go of the file, in ms. */
  readonly busyTimeoutMs?: number;
}

/** A room's database on this machine. Whoever opened it disposes it; disposing twice is harmless. */
export interface NodeStorage extends RoomStorage, Disposable {
  readonly path: string;
}

const MEMORY_PATH = ":memory:";
const BUSY_TIMEOUT_MS = 5000;
const MAX_CACHED_STATEMENTS = 500;
/** The log keeps at most this size on disk after a checkpoint, however large one transaction was. */
const MAX_IDLE_LOG_BYTES = 16_777_216;

/**
 * Opens a room's database, making it with mode 0600 and its folder with 0700 where they are missing: WAL, foreign keys on, one writer. The file stays locked until it
 * is disposed or the process dies, so a second writer is refused with `store.failed`. Full disks are `disk.full`.
 */
export function openNodeStorage(path: string, options: NodeStorageOptions = {}): NodeStorage {
  const database = openDatabase(path, options);
  try {
    if (options.knownMigrations !== undefined) assertKnown(database, path, options.knownMigrations);
    if (options.readOnly !== true) prepareForWriting(database, path, options);
  } catch (error) {
    database.close();
    throw toStoreError(error, path);
  }
  return new SqliteStorage(database, path);
}

/** Opens a database that lives in memory only: for tests, and for looking at what migrations would do. */
export function openMemoryStorage(): NodeStorage {
  const database = new Database(MEMORY_PATH, { enableForeignKeyConstraints: true });
  return new SqliteStorage(database, MEMORY_PATH);
}

function openDatabase(path: string, options: NodeStorageOptions): DatabaseSync {
  const readOnly = options.readOnly ?? false;
  if (readOnly && !existsSync(path)) {
    throw new CanopyError("store.failed", `there is no database at ${path}`, { data: { path } });
  }
  try {
    // SQLite would make the file with the process's umask; its -wal and -shm files take over this mode.
    if (!readOnly && !existsSync(path)) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, "a", 0o600));
      chmodSync(path, 0o600);
    }
    const timeout = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
    return new Database(path, { readOnly, timeout, enableForeignKeyConstraints: true });
  } catch (error) {
    throw toOpenError(error, path);
  }
}

function toOpenError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || "errcode" in error) return toStoreError(error, path);
  if (error.code === "ENOSPC" || error.code === "EDQUOT") return diskFull(path, error);
  return new CanopyError("store.failed", `cannot make the database ${path}: ${error.message}`, {
    hint: "check that the folder exists and that you may write to it",
    data: { path, errno: String(error.code) },
    cause: error,
  });
}

function prepareForWriting(database: DatabaseSync, path: string, options: NodeStorageOptions): void {
  // Exclusive from the first access on: the kernel's lock is what makes this the only writer, and it dies with us.
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
  const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
  assert(mode === "wal", `the database ${path} cannot keep a write-ahead log (${String(mode)})`);
  database.exec(`PRAGMA synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
  database.exec(`PRAGMA journal_size_limit = ${MAX_IDLE_LOG_BYTES}`);
  database.exec("BEGIN IMMEDIATE");
  database.exec("COMMIT");
}

function assertKnown(database: DatabaseSync, path: string, knownMigrations: readonly string[]): void {
  const table = database
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
    .get();
  if (table === undefined) return;
  const known = new Set(knownMigrations);
  const unknown = database
    .prepare("SELECT id FROM migrations ORDER BY position")
    .all()
    .map((row) => String(row["id"]))
    .filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  throw new CanopyError("store.failed", `the database ${path} was written by a newer version of Canopy`, {
    hint: "update Canopy, or use another data folder (CANOPY_HOME); nothing was changed",
    data: { path, unknownMigrations: unknown },
  });
}

class SqliteStorage implements NodeStorage {
  readonly path: string;
  readonly sql: Sql;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #isInTransaction = false;

  constructor(database: DatabaseSync, path: string) {
    this.path = path;
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.sql = { exec: (query, ...bindings) => this.#exec(query, bindings) };
  }

  transaction<T>(work: () => Synchronous<T>): T {
    assert(!this.#isInTransaction, "a transaction inside a transaction");
    this.#run(() => this.#begin.run());
    this.#isInTransaction = true;
    try {
      const result = work();
      assertSynchronous(result);
      this.#run(() => this.#commit.run());
      return result;
    } catch (error) {
      // A full disk makes SQLite roll back by itself; rolling back again would hide the first error.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  sizeBytes(): number {
    const pages = Number(this.#database.prepare("PRAGMA page_count").get()?.["page_count"] ?? 0);
    return pages * Number(this.#database.prepare("PRAGMA page_size").get()?.["page_size"] ?? 0);
  }

  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return;
    this.#statements.clear();
    this.#database.close();
  }

  #exec(query: string, bindings: readonly SqlValue[]): SqlRow[] {
    assertBindings(query, bindings);
    return this.#run(() => parseRows(this.#prepare(query).all(...bindings)));
  }

  #prepare(query: string): StatementSync {
    const cached = this.#statements.get(query);
    if (cached !== undefined) return cached;
    assertPortable(query);
    const statement = this.#database.prepare(query);
    assertSingleStatement(query, statement.sourceSQL);
    if (this.#statements.size >= MAX_CACHED_STATEMENTS) this.#statements.clear();
    this.#statements.set(query, statement);
    return statement;
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw toStoreError(error, this.path);
    }
  }
}

/** `node:sqlite` never gives a bigint unless asked for: integers beyond 2^53 are an error of its own. */
function parseRows(rows: readonly Record<string, unknown>[]): SqlRow[] {
  return rows as SqlRow[];
}
