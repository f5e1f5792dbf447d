import type {
  Presence,
  ProcessAnchor,
  ProjectCommand,
  ProjectEvent,
  Rejection,
  Session,
} from "@canopy/protocol";
import { ZERO_USAGE, reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { acceptOnce } from "../kernel/room-definition.ts";
import { GENERAL_FEATURE_ID, selectSession } from "../sessions/session-feature.ts";
import type { PresentSession } from "./presence-rows.ts";
import {
  countActivity,
  isFinished,
  isPresent,
  nextHandle,
  selectByNativeId,
  selectByReference,
  selectPresent,
} from "./presence-rows.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

const MAX_CHILDREN = 50;
/** Status lines that a session may post in an hour. */
export const MAX_STATUS_PER_HOUR = 30;

/** The session that acts: it takes part, has not ended, and whoever asks is it, a person or the program itself. */
export function requireActing(
  context: Context,
  sessionId: string,
): { readonly type: "session"; readonly session: PresentSession } | Rejection {
  if (context.actor.kind === "agent" && context.actor.id !== sessionId)
    return reject("session.not-yours", `${context.actor.id} cannot act as ${sessionId}`);
  const session = selectPresent(context.sql, sessionId);
  if (session === undefined)
    return reject(
      "session.not-found",
      `no session ${sessionId} takes part here`,
      "canopy sessions lists them",
    );
  if (session.state === "ended") {
    return reject(
      "session.ended",
      `@${session.presence.handle} has ended: ${session.endReason ?? "no reason given"}`,
      "its agent's next hook or tool call brings it back",
    );
  }
  return { type: "session", session };
}

/** The one session that a reference names. Refuses with `session.not-found` or `session.ambiguous`. */
export function resolveSession(
  context: Context,
  reference: string,
): { readonly type: "session"; readonly session: PresentSession } | Rejection {
  const found = selectByReference(context.sql, reference);
  const [session] = found;
  if (session === undefined)
    return reject("session.not-found", `no session ${reference}`, "canopy sessions lists them");
  if (found.length > 1) {
    const names = found.slice(0, 5).map((other) => `@${other.presence.handle} (${other.sessionId})`);
    return reject(
      "session.ambiguous",
      `${reference} could be ${names.join(", ")}`,
      "say the id or the handle",
    );
  }
  return { type: "session", session };
}

function sameProcess(a: ProcessAnchor | null, b: ProcessAnchor | null): boolean {
  return a !== null && b !== null && a.pid === b.pid && a.startedAt === b.startedAt && a.bootId === b.bootId;
}

function createSession(context: Context, command: Command<"presence.join">): PresentSession {
  const session: PresentSession = {
    sessionId: context.newId("session"),
    featureId: GENERAL_FEATURE_ID,
    attemptId: null,
    taskId: null,
    title: command.title === "" ? `${command.agent} in a terminal` : command.title,
    agent: command.agent,
    model: command.model,
    nativeSessionId: command.nativeSessionId,
    state: "active",
    endReason: null,
    sandboxLevel: null,
    usage: ZERO_USAGE,
    openedAtMs: context.nowMs,
    endedAtMs: null,
    presence: firstPresence(context, command.agent, command),
  };
  context.emit({ type: "session.registered", session });
  return session;
}

/** The presence of a session that comes for the first time, or after it was forgotten. */
function firstPresence(context: Context, agent: string, command: Command<"presence.join">): Presence {
  return {
    origin: command.origin,
    handle: nextHandle(context.sql, agent),
    role: "",
    epoch: 1,
    process: command.process,
    worktree: command.worktree,
    branch: command.branch,
    status: "",
    statusAtMs: null,
    children: [],
  };
}

/** The handle that it had, unless another session took it while this one was away. */
function keepHandle(context: Context, known: Session, handle: string): string {
  const taken = selectByReference(context.sql, handle).some(
    (other) =>
      other.sessionId !== known.sessionId && other.state !== "ended" && other.presence.handle === handle,
  );
  return taken ? nextHandle(context.sql, known.agent) : handle;
}

/** The presence of a session that comes again: another epoch, unless it only says that it is alive. */
function comeAgain(context: Context, known: PresentSession, command: Command<"presence.join">): Presence {
  const { presence: before, state } = known;
  const isOnlyAlive = command.source === "again" && state !== "ended";
  return {
    ...before,
    handle: keepHandle(context, known, before.handle),
    epoch: before.epoch + (isOnlyAlive ? 0 : 1),
    process: command.process ?? (command.source === "again" ? before.process : null),
    worktree: command.worktree,
    branch: command.branch,
    children: isOnlyAlive || command.source === "compact" ? before.children : [],
  };
}

/** What a session that is known looks like after it came (again). */
function rejoin(context: Context, known: Session, command: Command<"presence.join">): PresentSession {
  const isGone = known.state === "ended" || known.state === "lost";
  const presence = isPresent(known)
    ? comeAgain(context, known, command)
    : firstPresence(context, known.agent, command);
  return {
    ...known,
    // What Canopy runs has its agent's own id from its turns.
    nativeSessionId: known.attemptId === null ? command.nativeSessionId : known.nativeSessionId,
    model: command.model ?? known.model,
    // The turns of a session that Canopy runs say themselves whether it is at work.
    state: known.attemptId === null || isGone ? "active" : known.state,
    endReason: null,
    endedAtMs: null,
    presence,
  };
}

/** An agent is here: a new session, or one that comes back. Saying so again changes nothing. */
export function decideJoin(context: Context, command: Command<"presence.join">): DecideAnswer {
  const { sql } = context;
  if (isFinished(sql)) {
    return reject("coordination.finished", "this project was finished", "canopy reopen takes sessions again");
  }
  if (context.actor.kind === "agent" && context.actor.id !== command.sessionId)
    return reject("session.not-yours", `${context.actor.id} cannot join as another session`);
  const known: Session | undefined =
    command.sessionId === null
      ? selectByNativeId(sql, command.agent, command.nativeSessionId)
      : selectSession(sql, command.sessionId);
  if (known === undefined && command.sessionId !== null)
    return reject("session.not-found", `no session ${command.sessionId}`);
  const session = known === undefined ? createSession(context, command) : rejoin(context, known, command);
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(session))
    context.emit({ type: "session.updated", session });
  const { handle, epoch } = session.presence;
  return acceptOnce({ sessionId: session.sessionId, handle, epoch, isNew: known === undefined });
}

function applyUpdate(
  session: PresentSession,
  command: Command<"presence.update">,
  nowMs: number,
): PresentSession {
  const { presence } = session;
  const { childStarted, childEnded } = command;
  const others = presence.children.filter(
    (child) => child.childId !== childStarted?.childId && child.childId !== childEnded,
  );
  const children =
    childStarted === undefined
      ? others
      : [...others, { ...childStarted, startedAtMs: nowMs }].slice(-MAX_CHILDREN);
  const state = command.state ?? (session.state === "lost" ? "active" : session.state);
  return {
    ...session,
    state,
    presence: {
      ...presence,
      process: command.process ?? presence.process,
      worktree: command.worktree ?? presence.worktree,
      branch: command.branch === undefined ? presence.branch : command.branch,
      children,
    },
  };
}

/** What changed about a session. */
export function decideUpdatePresence(context: Context, command: Command<"presence.update">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const session = applyUpdate(found.session, command, context.nowMs);
  if (JSON.stringify(session) !== JSON.stringify(found.session))
    context.emit({ type: "session.updated", session });
  return acceptOnce({ epoch: session.presence.epoch });
}

/** Emits the end of a session's part; its claims, places in lines and waits go in reaction. */
export function endPresence(context: Context, session: PresentSession, reason: string): void {
  context.emit({
    type: "session.updated",
    session: {
      ...session,
      state: "ended",
      endReason: reason,
      endedAtMs: context.nowMs,
      presence: { ...session.presence, children: [] },
    },
  });
}

/** A session says that it ends. */
export function decideEndPresence(context: Context, command: Command<"presence.end">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found.code === "session.ended" ? acceptOnce(null) : found;
  endPresence(context, found.session, command.reason);
  return acceptOnce(null);
}

/** Processes are gone: their sessions end, if it is still the process that was looked at. Silent ones are lost. */
export function decideReportDead(context: Context, command: Command<"presence.report-dead">): DecideAnswer {
  if (context.actor.kind === "agent")
    return reject("session.not-yours", "only the program reports processes");
  const ended: string[] = [];
  for (const { sessionId, process, reason } of command.sessions) {
    const session = selectPresent(context.sql, sessionId);
    if (session === undefined || session.state === "ended") continue;
    const { process: known } = session.presence;
    if (process === null) {
      if (known !== null || session.state === "lost") continue;
      context.emit({ type: "session.updated", session: { ...session, state: "lost" } });
    } else {
      if (!sameProcess(known, process)) continue;
      endPresence(context, session, reason);
    }
    ended.push(sessionId);
  }
  return acceptOnce({ ended });
}

/** Gives a session another handle, and a role when one is said, if nobody else who is here has it. */
export function decideRename(context: Context, command: Command<"presence.rename">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const { session } = found;
  const taken = selectByReference(context.sql, command.handle).find(
    (other) =>
      other.sessionId !== session.sessionId &&
      other.state !== "ended" &&
      other.presence.handle === command.handle,
  );
  if (taken !== undefined || ["all", "person", "canopy"].includes(command.handle)) {
    const whose = taken === undefined ? "is reserved" : `is ${taken.sessionId}`;
    return reject("session.handle-taken", `@${command.handle} ${whose}`, "choose another");
  }
  const presence = {
    ...session.presence,
    handle: command.handle,
    role: command.role ?? session.presence.role,
  };
  if (JSON.stringify(presence) !== JSON.stringify(session.presence))
    context.emit({ type: "session.updated", session: { ...session, presence } });
  return acceptOnce({ handle: command.handle });
}

/** What a session is doing, in a line. */
export function decideStatus(context: Context, command: Command<"presence.status">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const { session } = found;
  const posted = countActivity(
    context.sql,
    { sessionId: session.sessionId, kind: "status" },
    context.nowMs - 3_600_000,
  );
  if (posted >= MAX_STATUS_PER_HOUR) {
    return reject(
      "rate.limited",
      `${posted} status lines in an hour is the limit`,
      "say less often what you are doing",
    );
  }
  if (session.presence.status !== command.text) {
    const presence: Presence = { ...session.presence, status: command.text, statusAtMs: context.nowMs };
    context.emit({ type: "session.updated", session: { ...session, presence } });
  }
  return acceptOnce(null);
}
