import type { Actor, Id, IdKind, Json, Rejection } from "@canopy/protocol";
import type { Migration, Sql } from "./sql.ts";

/** A command or event: told apart by `type`. */
export interface Typed {
  readonly type: string;
}

/** What a decision may use: the tables, the time and ids it was handed, and `emit`. Nothing else of the world. */
export interface DecideContext<E extends Typed> {
  readonly sql: Sql;
  readonly nowMs: number;
  readonly actor: Actor;
  /** A new id; deterministic for a given command seed. */
  newId<K extends IdKind>(kind: K): Id<K>;
  /** A number in [0, 1); deterministic for a given command seed. */
  random(): number;
  /** Appends an event and projects it at once, so that later reads of the same decision see it. */
  emit(event: E): void;
}

/** What a decision answers: a value for the asker, or a refusal. A refusal undoes everything that was emitted. */
export type DecideAnswer =
  | { readonly type: "accepted"; readonly result: Json; readonly keep: boolean }
  | Rejection;

/** Where a projected event stands. */
export interface EventPosition {
  readonly seq: number;
  readonly atMs: number;
}

/** Deciders by command type. */
export type Deciders<C extends Typed, E extends Typed> = {
  readonly [T in C["type"]]?: (context: DecideContext<E>, command: Extract<C, { type: T }>) => DecideAnswer;
};

/** Projections by event type. Total: a projection never throws and never rejects. */
export type Projections<E extends Typed> = {
  readonly [T in E["type"]]?: (sql: Sql, event: Extract<E, { type: T }>, at: EventPosition) => void;
};

/** One feature of a room: its tables, its rules, its projections. */
export interface RoomFeature<C extends Typed, E extends Typed> {
  readonly name: string;
  readonly migrations: readonly Migration[];
  /** Tables that are rebuilt from the journal. */
  readonly tables: readonly string[];
  readonly decide?: Deciders<C, E>;
  readonly project?: Projections<E>;
  /** Runs when a timer whose key starts with `NAME:` is due; keyed by that name. */
  readonly timers?: Readonly<Record<string, (context: DecideContext<E>, key: string) => void>>;
  /**
   * Runs after every command that emitted something, until nobody emits any more: recomputes what follows from the
   * tables (scheduling, for example).
   */
  readonly react?: (context: DecideContext<E>) => void;
}

/** A parsed command or the reason why it is none. */
export type ParsedCommand<C> =
  | { readonly ok: true; readonly command: C }
  | { readonly ok: false; readonly message: string };

/** A kind of room: which features live in it. */
export interface RoomDefinition<C extends Typed, E extends Typed> {
  readonly kind: "node" | "project" | "feature";
  readonly features: readonly RoomFeature<C, E>[];
  parseCommand(value: unknown): ParsedCommand<C>;
  /** Version of an event type's payload, for upcasting later. */
  eventVersion(type: E["type"]): number;
  /** The snapshot that clients start from. */
  selectState(sql: Sql): Json;
}

/** Accepts a command with a value for the asker. */
export function accept(result: Json = null): DecideAnswer {
  return { type: "accepted", result, keep: true };
}

/** Accepts a command whose answer is too large or too short-lived to be kept for a second delivery. */
export function acceptOnce(result: Json): DecideAnswer {
  return { type: "accepted", result, keep: false };
}
