import type { LeafCondition, Ticket, Wait } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";
import { selectTickets } from "./claim-rows.ts";
import { findBlockers } from "./find-blockers.ts";

function leavesOf({ condition }: Wait): readonly LeafCondition[] {
  // One of several that comes true ends an `any`, so it cannot be said to hang on each of them.
  if (condition.type === "any") return condition.of.length === 1 ? condition.of : [];
  return condition.type === "all" ? condition.of : [condition];
}

function hangsOn(sql: Sql, sessionId: string, leaf: LeafCondition, nowMs: number): string[] {
  if (leaf.type === "session-idle" || leaf.type === "session-ended") return [leaf.sessionId];
  if (leaf.type !== "claim-free") return [];
  const want = { sessionId, targets: [leaf.target], mode: "exclusive", worktree: leaf.worktree } as const;
  return findBlockers(sql, want, [], nowMs).map((blocker) => blocker.sessionId);
}

/** Who waits for whom, by session. */
export function readWaitGraph(
  sql: Sql,
  extra: { readonly ticket?: Ticket; readonly wait?: Wait },
  nowMs: number,
): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  const add = (from: string, to: readonly string[]): void => {
    const known = graph.get(from) ?? new Set();
    for (const one of to) if (one !== from) known.add(one);
    graph.set(from, known);
  };
  const tickets = selectTickets(sql);
  const all = extra.ticket === undefined ? tickets : [...tickets, extra.ticket];
  for (const [index, ticket] of all.entries()) {
    const blockers = findBlockers(sql, ticket, all.slice(0, index), nowMs);
    add(
      ticket.sessionId,
      blockers.map((blocker) => blocker.sessionId),
    );
  }
  const waits = sql
    .exec("SELECT value FROM waits WHERE state = 'waiting'")
    .map((row) => parseColumn<Wait>(row, "value"));
  for (const wait of extra.wait === undefined ? waits : [...waits, extra.wait]) {
    for (const leaf of leavesOf(wait)) add(wait.sessionId, hangsOn(sql, wait.sessionId, leaf, nowMs));
  }
  return graph;
}

/** The circle of sessions through one of them that all wait for each other, or null. */
export function findCircle(graph: ReadonlyMap<string, ReadonlySet<string>>, start: string): string[] | null {
  const seen = new Set<string>();
  const walk = (node: string, path: readonly string[]): string[] | null => {
    for (const next of graph.get(node) ?? []) {
      if (next === start) return [...path, start];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...path, next]);
      if (found !== null) return found;
    }
    return null;
  };
  return walk(start, [start]);
}
