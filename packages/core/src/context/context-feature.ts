import type { ContextEntry, FeatureCommand, FeatureEvent, Json } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";

type Context = DecideContext<FeatureEvent>;
type Command<T extends FeatureCommand["type"]> = Extract<FeatureCommand, { type: T }>;

/** More would only push the task out of the agents' sight: the oldest goes. */
export const MAX_CONTEXT_ENTRIES = 200;

/** What is known in a feature, oldest first. */
export function selectContext(sql: Sql): ContextEntry[] {
  return sql
    .exec("SELECT value FROM context ORDER BY position")
    .map((row) => parseColumn<ContextEntry>(row, "value"));
}

function decideAdd(context: Context, command: Command<"context.add">): DecideAnswer {
  const { kind, text, path } = command;
  const known = selectContext(context.sql);
  const same = known.find((entry) => entry.kind === kind && entry.text === text && entry.path === path);
  if (same !== undefined) return accept({ entry: toJson(same) });
  const [oldest] = known;
  if (known.length >= MAX_CONTEXT_ENTRIES && oldest !== undefined)
    context.emit({ type: "context.removed", entryId: oldest.entryId });
  const entry: ContextEntry = {
    entryId: context.newId("entry"),
    kind,
    text,
    path,
    author: context.actor.id,
    atMs: context.nowMs,
  };
  context.emit({ type: "context.added", entry });
  return accept({ entry: toJson(entry) });
}

function decideRemove(context: Context, { entryId }: Command<"context.remove">): DecideAnswer {
  const isKnown = selectContext(context.sql).some((entry) => entry.entryId === entryId);
  if (!isKnown) return reject("context.not-found", `no context entry ${entryId}`);
  context.emit({ type: "context.removed", entryId });
  return accept();
}

function toJson(entry: ContextEntry): Json {
  return { ...entry };
}

/** What everybody who works on a feature should know: learnings, decisions, key files. */
export const contextFeature: RoomFeature<FeatureCommand, FeatureEvent> = {
  name: "context",
  migrations: [
    {
      id: "context-1",
      statements: [
        "CREATE TABLE context (entry_id TEXT PRIMARY KEY, position INTEGER NOT NULL, value TEXT NOT NULL)",
      ],
    },
  ],
  tables: ["context"],
  decide: { "context.add": decideAdd, "context.remove": decideRemove },
  project: {
    "context.added": (sql, { entry }, at) => {
      sql.exec(
        "INSERT INTO context (entry_id, position, value) VALUES (?, ?, ?)",
        entry.entryId,
        at.seq,
        JSON.stringify(entry),
      );
    },
    "context.removed": (sql, { entryId }) => {
      sql.exec("DELETE FROM context WHERE entry_id = ?", entryId);
    },
  },
};
