/** A value that can be bound to a statement or read from a row. */
export type SqlValue = string | number | null | Uint8Array;

/** One row as it comes back: column name to value. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/**
 * The synchronous SQL port: SQLite as both `node:sqlite` and a Durable Object's `ctx.storage.sql` offer it. One
 * statement a call, at most 100 bindings, no PRAGMA, no BEGIN, no ATTACH (Durable Objects refuse them).
 */
export interface Sql {
  exec(query: string, ...bindings: readonly SqlValue[]): SqlRow[];
}

/** Anything but a promise: a transaction's callback must not wait. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/** One room's database. */
export interface RoomStorage {
  readonly sql: Sql;
  /** Runs `work` in one transaction; an exception rolls all of it back and is rethrown. Nested calls are refused. */
  transaction<T>(work: () => Synchronous<T>): T;
  /** Size of the database, in bytes. */
  sizeBytes(): number;
}

/** A step of a table's history. Steps are only ever appended; an applied one never changes. */
export interface Migration {
  /** Unique in its room, such as `tasks-1`. */
  readonly id: string;
  readonly statements: readonly string[];
}

/** Applies the migrations that a database does not have yet, in order. Must run inside a transaction. */
export function applyMigrations(sql: Sql, migrations: readonly Migration[]): void {
  sql.exec("CREATE TABLE IF NOT EXISTS migrations (id TEXT PRIMARY KEY, position INTEGER NOT NULL)");
  const applied = new Set(sql.exec("SELECT id FROM migrations").map((row) => readText(row, "id")));
  let position = applied.size;
  for (const migration of migrations) {
    if (applied.has(migration.id)) continue;
    for (const statement of migration.statements) sql.exec(statement);
    position += 1;
    sql.exec("INSERT INTO migrations (id, position) VALUES (?, ?)", migration.id, position);
  }
}

/** Reads a text column; a column of another type is a bug. */
export function readText(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`broken invariant: column ${column} is not text`);
  return value;
}

/** Reads a number column; a column of another type is a bug. */
export function readNumber(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`broken invariant: column ${column} is not a number`);
  return value;
}

/** Reads a nullable text column. */
export function readTextOrNull(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : readText(row, column);
}

/** Reads a nullable number column. */
export function readNumberOrNull(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : readNumber(row, column);
}

/** Parses a JSON column that a projection of this version wrote. */
export function parseColumn<T>(row: SqlRow, column: string): T {
  return JSON.parse(readText(row, column)) as T;
}
