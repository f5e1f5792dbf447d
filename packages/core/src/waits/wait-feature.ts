import type { LeafCondition, ProjectCommand, ProjectEvent, Wait } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import { findCircle, readWaitGraph } from "../claims/wait-graph.ts";
import { selectLastSeq, selectTypesOfCommand } from "../kernel/journal.ts";
import type { DecideAnswer, DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { accept, acceptOnce } from "../kernel/room-definition.ts";
import { requireActing } from "../presence/decide-presence.ts";
import { handleOf, isEnded } from "../presence/presence-rows.ts";
import { toJson } from "../rooms/to-json.ts";
import { evaluateCondition } from "./evaluate-condition.ts";
import {
  WAIT_MIGRATIONS,
  WAIT_PROJECTIONS,
  WAIT_TABLES,
  selectPendingWaits,
  selectWait,
} from "./wait-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** Waits that a session may have at once. */
export const MAX_WAITS_PER_SESSION = 20;

function settle(context: Context, wait: Wait, state: Wait["state"], outcome: string): Wait {
  const settled: Wait = { ...wait, state, outcome, settledAtMs: context.nowMs };
  context.emit({ type: "wait.updated", wait: settled });
  return settled;
}

/** Begins a wait; one whose condition holds already is over at once. One that would never end is refused. */
function decideStart(context: Context, command: Command<"wait.start">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const pending = selectPendingWaits(context.sql).filter((wait) => wait.sessionId === command.sessionId);
  if (pending.length >= MAX_WAITS_PER_SESSION)
    return reject(
      "rate.limited",
      `${pending.length} waits at once is the limit`,
      "cancel one: canopy wait --cancel",
    );
  const wait: Wait = {
    waitId: context.newId("wait"),
    sessionId: command.sessionId,
    condition: command.condition,
    hint: command.hint,
    state: "waiting",
    outcome: "",
    startedAtMs: context.nowMs,
    startedSeq: selectLastSeq(context.sql),
    expiresAtMs: context.nowMs + command.timeoutMs,
    settledAtMs: null,
    isTold: false,
  };
  const first = evaluateCondition(context.sql, wait.condition, wait, context.nowMs);
  if (first !== null && "failed" in first) return reject("wait.bad-condition", first.failed);
  if (first === null) {
    const circle = findCircle(readWaitGraph(context.sql, { wait }, context.nowMs), wait.sessionId);
    if (circle !== null) {
      const names = circle.map((id) => handleOf(context.sql, id)).join(" -> ");
      return reject(
        "claim.deadlock",
        `waiting would never end: ${names}`,
        "release something that they wait for",
      );
    }
  }
  context.emit({ type: "wait.started", wait });
  // Whoever asked hears the outcome in the answer.
  const now =
    first === null ? wait : { ...settle(context, { ...wait, isTold: true }, "satisfied", first.done) };
  return accept(toJson({ wait: now }));
}

function decideCancel(context: Context, command: Command<"wait.cancel">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const wait = selectWait(context.sql, command.waitId);
  if (wait === undefined || wait.sessionId !== command.sessionId)
    return reject("wait.not-found", `no wait ${command.waitId} of yours`);
  return acceptOnce(
    toJson({ wait: wait.state === "waiting" ? settle(context, wait, "cancelled", "cancelled") : wait }),
  );
}

function decideAcknowledge(context: Context, command: Command<"wait.acknowledge">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const wait = selectWait(context.sql, command.waitId);
  if (wait === undefined || wait.sessionId !== command.sessionId)
    return reject("wait.not-found", `no wait ${command.waitId} of yours`);
  if (!wait.isTold && wait.state !== "waiting")
    context.emit({ type: "wait.updated", wait: { ...wait, isTold: true } });
  return acceptOnce(null);
}

const MAX_EVENTS_LOOKED_AT = 100;

/** After which events a condition can have become true; of tasks and changes after all of theirs. */
const AFFECTED_BY: Readonly<Record<LeafCondition["type"], RegExp>> = {
  "claim-free": /^(?:claim|session|ticket)\./,
  "claim-granted": /^ticket\./,
  "session-idle": /^session\./,
  "session-ended": /^session\./,
  message: /^message\./,
  reply: /^message\./,
  "file-changed": /^files\./,
  "task-state": /^task\./,
  "change-landed": /^change\./,
  "branch-merged": /^branch\./,
};

function canBeOver({ condition }: Wait, types: ReadonlySet<string> | null): boolean {
  if (types === null) return true;
  const leaves = condition.type === "any" || condition.type === "all" ? condition.of : [condition];
  return leaves.some((leaf) => [...types].some((type) => AFFECTED_BY[leaf.type].test(type)));
}

/**
 * Looked at after every command that changed something, in its transaction: no wake-up falls between. Only waits that
 * the command's events can have ended are evaluated.
 */
function settleWaits(context: Context): void {
  const types = selectTypesOfCommand(context.sql, MAX_EVENTS_LOOKED_AT);
  const isWorthLooking =
    types === null ||
    [...types].some((type) => Object.values(AFFECTED_BY).some((pattern) => pattern.test(type)));
  if (!isWorthLooking) return;
  for (const wait of selectPendingWaits(context.sql)) {
    if (isEnded(context.sql, wait.sessionId)) {
      settle(context, wait, "cancelled", "the session has ended");
      continue;
    }
    if (!canBeOver(wait, types)) continue;
    const now = evaluateCondition(context.sql, wait.condition, wait, context.nowMs);
    if (now === null) continue;
    if ("done" in now) settle(context, wait, "satisfied", now.done);
    else settle(context, wait, "timed-out", now.failed);
  }
}

/** Sessions wait for claims, sessions, messages, files, tasks and branches. */
export const waitFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "waits",
  migrations: WAIT_MIGRATIONS,
  tables: WAIT_TABLES,
  decide: {
    "wait.start": decideStart,
    "wait.cancel": decideCancel,
    "wait.acknowledge": decideAcknowledge,
    "branch.report-merged": (context, { branch, into }) => {
      context.emit({ type: "branch.merged", branch, into });
      return acceptOnce(null);
    },
  },
  project: WAIT_PROJECTIONS,
  timers: {
    waits: (context, key) => {
      const wait = selectWait(context.sql, key.slice("waits:".length));
      if (wait?.state === "waiting") settle(context, wait, "timed-out", "the time is over");
    },
  },
  react: settleWaits,
};
