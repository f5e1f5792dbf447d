import type { SqlValue } from "@canopy/core";
import { assert } from "@canopy/protocol";

/** Most values that one statement may bind: the limit of Durable Objects, kept everywhere. */
export const MAX_BINDINGS = 100;

const REFUSED = /^\s*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|ATTACH|DETACH|VACUUM)\b/i;

/** Holds a call to what both bindings of the port accept; more is a bug. */
export function assertBindings(query: string, bindings: readonly SqlValue[]): void {
  assert(bindings.length <= MAX_BINDINGS, `${bindings.length} values bound by one statement: ${query}`);
}

/** Holds a statement to what both bindings of the port accept; anything else is a bug. */
export function assertPortable(query: string): void {
  assert(!REFUSED.test(query), `a statement that Durable Objects refuse: ${query}`);
}

/** Refuses a text of which SQLite compiled only the first statement (`compiled`); the rest would be lost silently. */
export function assertSingleStatement(query: string, compiled: string): void {
  const rest = query.trim().slice(compiled.trim().length).replaceAll(";", "").trim();
  assert(rest === "", `more than one statement in a call: ${query}`);
}

/** Refuses a promise as the outcome of a transaction: what it would still do could not be rolled back. */
export function assertSynchronous(result: unknown): void {
  const isPromise = typeof result === "object" && result !== null && "then" in result;
  assert(!isPromise, "a transaction's callback returned a promise");
}
