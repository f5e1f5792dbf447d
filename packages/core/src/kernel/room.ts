import type { Actor, EventEnvelope, Json } from "@canopy/protocol";
import { SYSTEM_ACTOR, assert, createId, reject } from "@canopy/protocol";
import type { SubmitAnswer } from "./journal.ts";
import {
  JOURNAL_MIGRATIONS,
  appendEvent,
  deleteAnswersBefore,
  insertAnswer,
  selectAnswer,
  selectEventsAfter,
  selectLastSeq,
  selectLinkCursor,
  writeLinkCursor,
  writePresence,
} from "./journal.ts";
import { createRandom } from "./random.ts";
import type { DecideAnswer, DecideContext, RoomDefinition, Typed } from "./room-definition.ts";
import type { RoomStorage, Sql } from "./sql.ts";
import { applyMigrations } from "./sql.ts";
import { TIMER_MIGRATIONS, clearTimer, isTimerDue, selectDueTimers, selectNextDueMs } from "./timers.ts";

/** How long an answer is kept for a second delivery of its command, in ms: three days. */
export const ANSWER_RETENTION_MS = 259_200_000;
const MAX_REACTIONS = 1000;
const PRUNE_EVERY_COMMANDS = 5000;

/** A command on its way in, with the time and the entropy that the host hands over. */
export interface Submission {
  readonly key: string;
  readonly actor: Actor;
  readonly command: unknown;
  readonly nowMs: number;
  readonly seed: number;
}

/** Called after a commit with the events it added, in order. Must not throw. */
export type EventListener = (events: readonly EventEnvelope[]) => void;

/**
 * A single-writer, synchronous, deterministic room: a command comes in; its rules read tables; events are appended and
 * projected in one transaction; then they are published. Replaying the journal rebuilds the same tables.
 */
export class Room<C extends Typed, E extends Typed> {
  readonly #definition: RoomDefinition<C, E>;
  readonly #storage: RoomStorage;
  /** Each with the last event that stood when it came. */
  readonly #listeners = new Map<EventListener, number>();
  /** Commits that listeners have not been told of yet; more than one only when a listener itself submits. */
  readonly #untold: (readonly EventEnvelope[])[] = [];
  #isTelling = false;
  readonly #deciders = new Map<string, (context: DecideContext<E>, command: Typed) => DecideAnswer>();
  readonly #projections = new Map<
    string,
    ((sql: Sql, event: Typed, at: { seq: number; atMs: number }) => void)[]
  >();
  readonly #timerHandlers = new Map<string, (context: DecideContext<E>, key: string) => void>();
  #lastSeq = 0;
  #commandCount = 0;

  constructor(definition: RoomDefinition<C, E>, storage: RoomStorage) {
    this.#definition = definition;
    this.#storage = storage;
    for (const feature of definition.features) this.#register(feature);
    storage.transaction(() => {
      applyMigrations(storage.sql, [
        ...JOURNAL_MIGRATIONS,
        ...TIMER_MIGRATIONS,
        ...definition.features.flatMap((feature) => feature.migrations),
      ]);
    });
    this.#lastSeq = selectLastSeq(storage.sql);
  }

  /** Sequence number of the last event. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Read access for queries. Writing through it is a bug. */
  get sql(): Sql {
    return this.#storage.sql;
  }

  /** Decides one command. The second delivery of a key returns the first answer. */
  submit(submission: Submission): SubmitAnswer {
    const kept = selectAnswer(this.#storage.sql, submission.key);
    if (kept !== undefined) return kept;
    const parsed = this.#definition.parseCommand(submission.command);
    if (!parsed.ok) return reject("command.invalid", parsed.message);
    const decide = this.#deciders.get(parsed.command.type);
    if (decide === undefined) {
      return reject(
        "command.unknown",
        `the ${this.#definition.kind} room knows no command ${parsed.command.type}`,
      );
    }
    return this.#commit(submission, (context) => decide(context, parsed.command));
  }

  /** Fires every due timer; returns when the next one is due, in ms, or null. Call it again then. */
  wake(nowMs: number, seed: number): number | null {
    for (const key of selectDueTimers(this.#storage.sql, nowMs, 1000)) {
      const submission: Submission = {
        key: `timer:${key}:${this.#lastSeq}`,
        actor: SYSTEM_ACTOR,
        command: { type: "timer.fire", key },
        nowMs,
        seed: (seed + this.#lastSeq) >>> 0,
      };
      this.#commit(submission, (context) => this.#fire(context, key));
    }
    return this.nextWakeMs();
  }

  /** When the earliest timer is due, in ms, or null. */
  nextWakeMs(): number | null {
    return selectNextDueMs(this.#storage.sql);
  }

  /** Events after `seq`, in order, at most `limit`. */
  eventsAfter(seq: number, limit: number): EventEnvelope[] {
    return selectEventsAfter(this.#storage.sql, seq, limit);
  }

  /** The state that a client starts from, and the sequence number it stands at. */
  snapshot(): { readonly seq: number; readonly state: Json } {
    return { seq: this.#lastSeq, state: this.#definition.selectState(this.#storage.sql) };
  }

  /** Calls `listener` after every commit from now on that added events, in order, until the returned function is called. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.set(listener, this.#lastSeq);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Notes that a runner or session is alive. Volatile: not an event. */
  touchPresence(id: string, nowMs: number): void {
    this.#storage.transaction(() => writePresence(this.#storage.sql, id, nowMs));
  }

  /** How far a link has read this room's journal. */
  readLinkCursor(link: string): number {
    return selectLinkCursor(this.#storage.sql, link);
  }

  /** Moves a link's cursor. Volatile: not an event. */
  writeLinkCursor(link: string, seq: number): void {
    this.#storage.transaction(() => writeLinkCursor(this.#storage.sql, link, seq));
  }

  /** Empties every projected table and rebuilds it from the journal. */
  replay(): void {
    this.#storage.transaction(() => {
      const { sql } = this.#storage;
      sql.exec("DELETE FROM timers");
      for (const table of this.#definition.features.flatMap((feature) => feature.tables)) {
        sql.exec(`DELETE FROM ${table}`);
      }
      for (let seq = 0; seq < this.#lastSeq;) {
        const events = selectEventsAfter(sql, seq, 500);
        assert(events.length > 0, `journal ends at ${seq} before ${this.#lastSeq}`);
        for (const event of events) {
          assert(event.seq === seq + 1, `journal has a gap after ${seq}`);
          seq = event.seq;
          this.#project(parseEvent<E>(event), event);
        }
      }
    });
  }

  #register(feature: RoomDefinition<C, E>["features"][number]): void {
    for (const [type, decide] of Object.entries(feature.decide ?? {})) {
      assert(!this.#deciders.has(type), `two features decide ${type}`);
      this.#deciders.set(type, decide as (context: DecideContext<E>, command: Typed) => DecideAnswer);
    }
    for (const [type, project] of Object.entries(feature.project ?? {})) {
      const list = this.#projections.get(type) ?? [];
      list.push(project as (sql: Sql, event: Typed) => void);
      this.#projections.set(type, list);
    }
    for (const [name, handler] of Object.entries(feature.timers ?? {}))
      this.#timerHandlers.set(name, handler);
  }

  #fire(context: DecideContext<E>, key: string): DecideAnswer {
    if (!isTimerDue(this.#storage.sql, key, context.nowMs))
      return { type: "accepted", result: null, keep: false };
    const handler = this.#timerHandlers.get(key.slice(0, key.indexOf(":")));
    assert(handler !== undefined, `no feature handles timer ${key}`);
    // The kernel's own event: every room has it, and it is projected by #project itself.
    context.emit({ type: "timer.fired", key } as unknown as E);
    handler(context, key);
    return { type: "accepted", result: null, keep: false };
  }

  #commit(submission: Submission, decide: (context: DecideContext<E>) => DecideAnswer): SubmitAnswer {
    const emitted: EventEnvelope[] = [];
    const seqBefore = this.#lastSeq;
    let answer: SubmitAnswer;
    try {
      answer = this.#storage.transaction<SubmitAnswer>(() => {
        const context = this.#createContext(submission, emitted);
        const decided = decide(context);
        if (decided.type === "rejection") {
          // Throwing is what rolls back; the rejection itself stays a value.
          if (emitted.length > 0) throw new RolledBack(decided);
          insertAnswer(this.#storage.sql, submission.key, submission.nowMs, decided);
          return decided;
        }
        this.#react(context, emitted);
        const accepted: SubmitAnswer = { type: "accepted", seq: this.#lastSeq, result: decided.result };
        if (decided.keep) insertAnswer(this.#storage.sql, submission.key, submission.nowMs, accepted);
        this.#prune(submission.nowMs);
        return accepted;
      });
    } catch (error) {
      this.#lastSeq = seqBefore;
      if (!(error instanceof RolledBack)) throw error;
      const { rejection } = error;
      this.#storage.transaction(() => {
        insertAnswer(this.#storage.sql, submission.key, submission.nowMs, rejection);
      });
      return rejection;
    }
    if (emitted.length > 0) this.#tell(emitted);
    return answer;
  }

  /** A listener that submits is answered at once; everybody hears of it once all have heard of what came before. */
  #tell(emitted: readonly EventEnvelope[]): void {
    this.#untold.push(emitted);
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let events = this.#untold.shift(); events !== undefined; events = this.#untold.shift()) {
        const first = events[0]?.seq ?? 0;
        for (const [listener, fromSeq] of this.#listeners) if (first > fromSeq) listener(events);
      }
    } finally {
      this.#isTelling = false;
    }
  }

  #createContext(submission: Submission, emitted: EventEnvelope[]): DecideContext<E> {
    const random = createRandom(submission.seed);
    return {
      sql: this.#storage.sql,
      nowMs: submission.nowMs,
      actor: submission.actor,
      random,
      // Two draws: one has 32 bits, an id takes 40.
      newId: (kind) => createId(kind, submission.nowMs, random() + random() / 4_294_967_296),
      emit: (event) => {
        const { type, ...payload } = event;
        const envelope: EventEnvelope = {
          seq: this.#lastSeq + 1,
          type,
          version: this.#definition.eventVersion(type),
          atMs: submission.nowMs,
          actor: submission.actor,
          commandKey: submission.key,
          payload: payload as Json,
        };
        this.#lastSeq = envelope.seq;
        appendEvent(this.#storage.sql, envelope);
        this.#project(event, envelope);
        emitted.push(envelope);
      },
    };
  }

  #react(context: DecideContext<E>, emitted: readonly EventEnvelope[]): void {
    let seen = 0;
    for (let round = 0; seen < emitted.length; round += 1) {
      assert(round < MAX_REACTIONS, "reactions do not settle");
      seen = emitted.length;
      for (const feature of this.#definition.features) feature.react?.(context);
    }
  }

  #project(event: E, at: { readonly seq: number; readonly atMs: number }): void {
    if (event.type === "timer.fired")
      clearTimer(this.#storage.sql, (event as unknown as { key: string }).key);
    for (const project of this.#projections.get(event.type) ?? []) project(this.#storage.sql, event, at);
  }

  #prune(nowMs: number): void {
    this.#commandCount += 1;
    if (this.#commandCount % PRUNE_EVERY_COMMANDS === 0) {
      deleteAnswersBefore(this.#storage.sql, nowMs - ANSWER_RETENTION_MS);
    }
  }
}

class RolledBack extends Error {
  readonly rejection: ReturnType<typeof reject>;

  constructor(rejection: ReturnType<typeof reject>) {
    super(rejection.message);
    this.rejection = rejection;
  }
}

/** Turns a stored event back into the form that projections take. */
function parseEvent<E extends Typed>(envelope: EventEnvelope): E {
  return { type: envelope.type, ...(envelope.payload as object) } as unknown as E;
}
