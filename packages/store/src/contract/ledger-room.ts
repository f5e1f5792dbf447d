import type { DecideAnswer, DecideContext, Migration, RoomDefinition, RoomFeature, Sql } from "@canopy/core";
import { accept, acceptOnce, readNumber, readText, setTimer } from "@canopy/core";
import { reject } from "@canopy/protocol";

/** A command of the ledger, the small room that storage is tried with. */
export type LedgerCommand =
  | { readonly type: "account.deposit"; readonly account: string; readonly amount: number }
  | {
      readonly type: "account.transfer";
      readonly from: string;
      readonly to: readonly string[];
      readonly amount: number;
    }
  | { readonly type: "note.write"; readonly text: string }
  | { readonly type: "note.read" }
  | { readonly type: "reminder.set"; readonly name: string; readonly dueAtMs: number };

/** An event of the ledger. `size` counts the events of the transfer that an event belongs to. */
export type LedgerEvent =
  | { readonly type: "account.deposited"; readonly account: string; readonly amount: number }
  | {
      readonly type: "account.moved";
      readonly account: string;
      readonly amount: number;
      readonly position: number;
      readonly size: number;
    }
  | { readonly type: "note.written"; readonly text: string }
  | { readonly type: "reminder.set"; readonly name: string; readonly dueAtMs: number }
  | { readonly type: "reminder.rang"; readonly name: string; readonly number: number };

type Context = DecideContext<LedgerEvent>;

function selectBalance(sql: Sql, account: string): number {
  const [row] = sql.exec("SELECT balance FROM accounts WHERE account = ?", account);
  return row === undefined ? 0 : readNumber(row, "balance");
}

/** Emits before it refuses, so that a rollback has something to undo. */
function decideTransfer(
  context: Context,
  command: Extract<LedgerCommand, { type: "account.transfer" }>,
): DecideAnswer {
  const size = command.to.length + 1;
  const total = command.amount * command.to.length;
  context.emit({ type: "account.moved", account: command.from, amount: -total, position: 1, size });
  for (const [index, account] of command.to.entries()) {
    context.emit({ type: "account.moved", account, amount: command.amount, position: index + 2, size });
  }
  const balance = selectBalance(context.sql, command.from);
  if (balance < 0) return reject("command.invalid", `${command.from} lacks ${-balance}`);
  return accept({ balance });
}

function addToBalance(sql: Sql, account: string, amount: number, seq: number): void {
  sql.exec(
    `INSERT INTO accounts (account, balance, last_seq) VALUES (?, ?, ?)
     ON CONFLICT (account) DO UPDATE SET balance = balance + excluded.balance, last_seq = excluded.last_seq`,
    account,
    amount,
    seq,
  );
}

const LEDGER_MIGRATION: Migration = {
  id: "ledger-1",
  statements: [
    "CREATE TABLE accounts (account TEXT PRIMARY KEY, balance INTEGER NOT NULL, last_seq INTEGER NOT NULL)",
    "CREATE TABLE notes (seq INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "CREATE TABLE reminders (name TEXT PRIMARY KEY, due_at_ms INTEGER NOT NULL, rang INTEGER NOT NULL)",
  ],
};

const ledgerFeature: RoomFeature<LedgerCommand, LedgerEvent> = {
  name: "ledger",
  migrations: [LEDGER_MIGRATION],
  tables: ["accounts", "notes", "reminders"],
  decide: {
    "account.deposit": (context, command) => {
      context.emit({ type: "account.deposited", account: command.account, amount: command.amount });
      return accept({ balance: selectBalance(context.sql, command.account) });
    },
    "account.transfer": decideTransfer,
    "note.write": (context, command) => {
      context.emit({ type: "note.written", text: command.text });
      return accept();
    },
    "note.read": (context) =>
      acceptOnce(context.sql.exec("SELECT text FROM notes ORDER BY seq").map((row) => readText(row, "text"))),
    "reminder.set": (context, command) => {
      context.emit({ type: "reminder.set", name: command.name, dueAtMs: command.dueAtMs });
      return accept();
    },
  },
  project: {
    "account.deposited": (sql, event, at) => addToBalance(sql, event.account, event.amount, at.seq),
    "account.moved": (sql, event, at) => addToBalance(sql, event.account, event.amount, at.seq),
    "note.written": (sql, event, at) => {
      sql.exec("INSERT INTO notes (seq, text) VALUES (?, ?)", at.seq, event.text);
    },
    "reminder.set": (sql, event) => {
      sql.exec(
        "INSERT OR REPLACE INTO reminders (name, due_at_ms, rang) VALUES (?, ?, 0)",
        event.name,
        event.dueAtMs,
      );
      setTimer(sql, `reminder:${event.name}`, event.dueAtMs);
    },
    "reminder.rang": (sql, event) => {
      sql.exec("UPDATE reminders SET rang = rang + 1 WHERE name = ?", event.name);
    },
  },
  timers: {
    reminder: (context, key) => {
      const name = key.slice("reminder:".length);
      context.emit({ type: "reminder.rang", name, number: Math.floor(context.random() * 1000) });
    },
  },
};

/** The ledger as it was first released. */
export const ledgerRoom: RoomDefinition<LedgerCommand, LedgerEvent> = {
  kind: "node",
  features: [ledgerFeature],
  parseCommand: (value) => ({ ok: true, command: parseLedgerCommand(value) }),
  eventVersion: () => 1,
  selectState: (sql) => ({ accounts: Object.fromEntries(selectBalances(sql)) }),
};

/** The ledger one release later: a migration was appended. */
export const laterLedgerRoom: RoomDefinition<LedgerCommand, LedgerEvent> = {
  ...ledgerRoom,
  features: [
    {
      ...ledgerFeature,
      migrations: [
        LEDGER_MIGRATION,
        {
          id: "ledger-2",
          statements: [
            "ALTER TABLE accounts ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR'",
            "CREATE INDEX accounts_by_balance ON accounts (balance)",
          ],
        },
      ],
    },
  ],
};

/** Every account's balance, by name. */
export function selectBalances(sql: Sql): [string, number][] {
  return sql
    .exec("SELECT account, balance FROM accounts ORDER BY account")
    .map((row) => [readText(row, "account"), readNumber(row, "balance")]);
}

/** Every row of every table that replay rebuilds, for comparing whole. */
export function dumpLedger(sql: Sql): Record<string, unknown> {
  const tables = ["accounts", "notes", "reminders", "timers"];
  return Object.fromEntries(tables.map((table) => [table, sql.exec(`SELECT * FROM ${table} ORDER BY 1`)]));
}

function parseLedgerCommand(value: unknown): LedgerCommand {
  return value as LedgerCommand;
}
