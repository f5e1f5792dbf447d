import type { Actor, ClaimId, CoordinationAction, CoordinationRequest, Json, Target } from "@canopy/protocol";
import { brandId, CanopyError } from "@canopy/protocol";
import type { PresentSession } from "@canopy/core";
import {
  describeBlocker,
  findBlockers,
  findRisks,
  selectClaims,
  selectClaimsOf,
  selectFeedAfter,
  selectLiveSessions,
  selectPendingWaits,
  selectPresent,
  selectSessions,
  selectTickets,
  selectTouchesOf,
  selectUnacknowledged,
} from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import type { PlaceFinder } from "./place-finder.ts";
import { exportProject, writeExport } from "./export-project.ts";
import { findActing, requireSession } from "./find-acting.ts";
import { isFolder } from "./is-folder.ts";
import { nameTargets } from "./name-path.ts";
import { parseCondition } from "./parse-condition.ts";
import { watchWait } from "./watch-wait.ts";

/** One act, with all that it needs. */
interface Act<T extends CoordinationAction["type"]> {
  readonly place: CoordinatedPlace;
  readonly action: Extract<CoordinationAction, { type: T }>;
  readonly cwd: string;
  readonly me: PresentSession | null;
  readonly actor: Actor;
  readonly key: string;
  readonly signal: AbortSignal;
  /** Where a finished project's state is kept. */
  readonly archiveFolder: string;
}

type Acts = { readonly [T in CoordinationAction["type"]]: (act: Act<T>) => Json | Promise<Json> };

function toJson(value: unknown): Json {
  return value as Json;
}

/** Where names are looked up. */
type Where = Pick<Act<"whoami">, "place" | "cwd">;

function namesToTargets(
  { place, cwd }: Where,
  texts: readonly string[],
): { readonly targets: Target[]; readonly worktree: string } {
  const named = texts.flatMap((text) => nameTargets(text, cwd, place.worktree, isFolder));
  const trees = new Set(
    named.filter(({ target }) => target.kind !== "resource").map(({ worktree }) => worktree),
  );
  if (trees.size > 1)
    throw new CanopyError("usage.invalid", `these lie in several work trees: ${[...trees].join(", ")}`, {
      hint: "claim in one work tree at a time",
    });
  const [worktree = place.worktree.root] = trees;
  return { targets: named.map(({ target }) => target), worktree: place.groundOf(worktree) };
}

/** Claims by id, end of an id, or what they are on; of one session, or of all. */
function claimIdsOf(
  where: Where,
  names: { readonly claims: readonly string[]; readonly targets?: readonly string[] },
  sessionId: string | null,
): ClaimId[] {
  const { place } = where;
  const all = place.read((sql) => (sessionId === null ? selectClaims(sql) : selectClaimsOf(sql, sessionId)));
  const byId = names.claims.map((name) => {
    const found = all.filter((claim) => claim.claimId === name || claim.claimId.endsWith(name));
    const [claim] = found;
    if (claim === undefined || found.length > 1)
      throw new CanopyError("thing.not-found", `no one claim ${name}`, { hint: "canopy claims lists them" });
    return claim.claimId;
  });
  const { targets } = namesToTargets(where, names.targets ?? []);
  const byTarget = targets.flatMap((target) =>
    all
      .filter((claim) => claim.target.kind === target.kind && claim.target.key === target.key)
      .map((claim) => claim.claimId),
  );
  return [...new Set([...byId, ...byTarget])];
}

function describeSession(session: PresentSession, place: CoordinatedPlace): Json {
  const claims = place.read((sql) => selectClaimsOf(sql, session.sessionId));
  const { sessionId, agent, model, nativeSessionId, state, endReason, openedAtMs, presence, taskId, title } =
    session;
  return toJson({
    sessionId,
    agent,
    model,
    nativeSessionId,
    state,
    endReason,
    openedAtMs,
    taskId,
    title,
    ...presence,
    claims: claims.length,
  });
}

function claim(act: Act<"claim">): Json {
  const { action, place, me } = act;
  const { targets, worktree } = namesToTargets(act, action.targets);
  if (targets.length === 0) throw new CanopyError("usage.invalid", "say what to claim");
  const ground = action.scope === "repository" ? null : worktree;
  const want = { sessionId: me?.sessionId ?? "", targets, mode: action.mode, worktree: ground };
  if (action.check) {
    const found = place.read((sql) => ({
      blockers: findBlockers(sql, want, selectTickets(sql), Date.now()),
      risks: findRisks(sql, want),
    }));
    return toJson({
      state: found.blockers.length === 0 ? "free" : "held",
      ...found,
      text: found.blockers.map((blocker) => describeBlocker(blocker)),
    });
  }
  const { sessionId } = requireSession(me);
  return place.submit(
    {
      type: "claim.acquire",
      sessionId,
      targets,
      mode: action.mode,
      worktree: ground,
      reason: action.reason,
      ttlMs: action.ttlMs ?? place.config.claim_ttl,
      wait: action.wait,
      waitMs: action.waitMs,
    },
    act.actor,
    act.key,
  );
}

function release(act: Act<"release">): Json {
  const { action, place } = act;
  const { sessionId } = requireSession(act.me);
  const fence = action.fence === undefined ? {} : { fence: action.fence };
  if (action.all) return place.submit({ type: "claim.release", sessionId, what: "all" }, act.actor);
  const claimIds = claimIdsOf(act, action, sessionId);
  if (claimIds.length === 0) return toJson({ released: [] });
  const what = { claimIds };
  return place.submit({ type: "claim.release", sessionId, what, ...fence }, act.actor, act.key);
}

function send(act: Act<"send">): Json {
  const { action, place, me } = act;
  const holder = /(?:^|,)\s*holder:([^,]+)/.exec(action.to)?.[1];
  const texts = [...action.targets, ...(holder === undefined ? [] : [holder])];
  const { targets, worktree } = namesToTargets(act, texts);
  return place.submit(
    {
      type: "mail.send",
      from: me?.sessionId ?? null,
      to: action.to,
      kind: action.kind,
      body: action.body,
      replyTo: action.replyTo ?? null,
      priority: action.priority,
      deadlineMs: action.deadlineMs ?? null,
      targets,
      worktree,
    },
    act.actor,
    act.key,
  );
}

async function wait(act: Act<"wait">): Promise<Json> {
  const { action, place, cwd } = act;
  const { sessionId } = requireSession(act.me);
  const of = action.for.map((text) => parseCondition(text, place, cwd));
  const [only] = of;
  const condition = of.length === 1 && only !== undefined ? only : { type: action.combine, of };
  const started = place.submit(
    { type: "wait.start", sessionId, condition, timeoutMs: action.timeoutMs, hint: action.hint },
    act.actor,
    act.key,
  );
  const { waitId } = (started as { readonly wait: { readonly waitId: string } }).wait;
  return toJson({ wait: await watchWait(place, { sessionId, waitId }, action.blockMs, act.signal) });
}

function selectNamed(place: CoordinatedPlace, isAll: boolean): PresentSession[] {
  if (!isAll) return place.read((sql) => selectLiveSessions(sql));
  return place.read((sql) =>
    selectSessions(sql)
      .map(({ sessionId }) => selectPresent(sql, sessionId))
      .filter((session) => session !== undefined),
  );
}

const ACTS: Acts = {
  whoami: ({ me, place }) =>
    me === null
      ? { session: null, worktree: place.worktree.root, projectId: place.project.project.projectId }
      : toJson({
          session: describeSession(me, place),
          worktree: place.worktree.root,
          projectId: place.project.project.projectId,
          claims: place.read((sql) => selectClaimsOf(sql, me.sessionId)),
          touched: place.read((sql) => selectTouchesOf(sql, me.sessionId)).map(({ key }) => key),
          unread: place.read((sql) => selectUnacknowledged(sql, me.sessionId, 1000)).length,
        }),
  sessions: ({ place, action, me }) =>
    toJson({
      projectId: place.project.project.projectId,
      me: me?.sessionId ?? null,
      sessions: selectNamed(place, action.all).map((session) => describeSession(session, place)),
    }),
  claim,
  release,
  renew: (act) => {
    const { sessionId } = requireSession(act.me);
    const claimIds = claimIdsOf(act, act.action, sessionId);
    const ttlMs = act.action.ttlMs ?? act.place.config.claim_ttl;
    return act.place.submit({ type: "claim.renew", sessionId, claimIds, ttlMs }, act.actor, act.key);
  },
  claims: ({ place, action, me }) =>
    toJson(
      place.read((sql) => {
        const claims = action.mine && me !== null ? selectClaimsOf(sql, me.sessionId) : selectClaims(sql);
        const named = claims.map((held) => ({
          ...held,
          handle: selectPresent(sql, held.sessionId)?.presence.handle ?? held.sessionId,
          state: selectPresent(sql, held.sessionId)?.state ?? "ended",
        }));
        const tickets = selectTickets(sql).map((ticket) => ({
          ...ticket,
          handle: selectPresent(sql, ticket.sessionId)?.presence.handle ?? ticket.sessionId,
        }));
        return { claims: named, tickets, waits: selectPendingWaits(sql) };
      }),
    ),
  force: (act) => {
    const claimIds = claimIdsOf(act, act.action, null);
    if (claimIds.length === 0) throw new CanopyError("thing.not-found", "nobody holds that");
    const command = { type: "claim.force", claimIds, reason: act.action.reason } as const;
    return act.place.submit(command, act.me === null ? act.actor : agentActor(act.me), act.key);
  },
  "hand-over": (act) => {
    const { sessionId } = requireSession(act.me);
    const claimIds = claimIdsOf(act, act.action, sessionId);
    if (claimIds.length === 0) throw new CanopyError("thing.not-found", "you do not hold that");
    const command = { type: "claim.hand-over", sessionId, claimIds, to: act.action.to } as const;
    return act.place.submit(command, act.actor, act.key);
  },
  send,
  inbox: ({ place, action, me, actor }) =>
    place.submit(
      {
        type: "mail.read",
        sessionId: requireSession(me).sessionId,
        unreadOnly: !action.all,
        limit: action.limit,
      },
      actor,
    ),
  ack: ({ place, action, me, actor }) =>
    place.submit(
      {
        type: "mail.acknowledge",
        sessionId: requireSession(me).sessionId,
        messages: action.messages.length === 0 ? "all" : action.messages,
      },
      actor,
    ),
  yield: ({ place, action, me, actor, key }) =>
    place.submit(
      {
        type: "mail.answer-yield",
        sessionId: requireSession(me).sessionId,
        message: action.message,
        answer: action.answer,
        afterMs: action.afterMs ?? null,
        note: action.note,
      },
      actor,
      key,
    ),
  wait,
  "wait-on": async ({ place, action, me, signal }) => {
    const { sessionId } = requireSession(me);
    return toJson({
      wait: await watchWait(place, { sessionId, waitId: action.waitId }, action.blockMs, signal),
    });
  },
  "cancel-wait": ({ place, action, me, actor }) =>
    place.submit(
      {
        type: "wait.cancel",
        sessionId: requireSession(me).sessionId,
        waitId: brandId("wait", action.waitId),
      },
      actor,
    ),
  note: ({ place, action, me, actor }) =>
    place.submit(
      { type: "presence.status", sessionId: requireSession(me).sessionId, text: action.text },
      actor,
    ),
  digest: ({ place, action, me, actor }) =>
    place.submit(
      {
        type: "digest.take",
        sessionId: requireSession(me).sessionId,
        where: "tool",
        maxChars: action.maxChars ?? place.config.digest_chars,
      },
      actor,
    ),
  rename: ({ place, action, me, actor }) =>
    place.submit(
      {
        type: "presence.rename",
        sessionId: requireSession(me).sessionId,
        handle: action.handle.replace(/^@/, ""),
        ...(action.role === undefined ? {} : { role: action.role }),
      },
      actor,
    ),
  end: ({ place, action, me, actor }) =>
    place.submit(
      { type: "presence.end", sessionId: requireSession(me).sessionId, reason: action.reason },
      actor,
    ),
  explain: ({ place, action }) =>
    toJson({ feed: place.read((sql) => selectFeedAfter(sql, 0, action.limit)) }),
  export: ({ place, action }) => toJson({ files: exportProject(place, action.redacted) }),
  forget: () => {
    throw new CanopyError("internal", "forgetting is the daemon's own");
  },
  finish: ({ place, action, actor, archiveFolder }) => {
    const files = exportProject(place, false);
    place.submit({ type: "coordination.finish", reason: action.reason }, actor);
    writeExport(archiveFolder, files);
    return { archive: archiveFolder };
  },
  reopen: ({ place, actor }) => place.submit({ type: "coordination.reopen" }, actor),
  gc: ({ place, action, actor }) =>
    place.submit(
      { type: "coordination.prune", beforeMs: Math.max(0, Date.now() - action.olderThanMs) },
      actor,
    ),
};

function agentActor(session: PresentSession): Actor {
  return { kind: "agent", id: session.sessionId };
}

/** Who asks for an act, and how it is told apart from a second delivery. */
export interface ActAsked {
  readonly actor: Actor;
  readonly key: string;
  /** Where archives of a project go, one folder each. */
  readonly archiveFolder: string;
  /** Ends a blocking wait when whoever asked has gone. */
  readonly signal: AbortSignal;
}

/** Carries out one act of a session that Canopy runs, in its own workspace. */
export async function carryOutManaged(
  place: CoordinatedPlace,
  session: PresentSession,
  action: CoordinationAction,
  asked: ActAsked,
): Promise<Json> {
  const act = { ...asked, place, action, cwd: place.worktree.root, me: session };
  const carry = ACTS[action.type] as (act: object) => Json | Promise<Json>;
  return await carry(act);
}

/** Carries out one act of an agent or a person. Throws what the room refuses, and `usage.invalid`, `thing.*`. */
export async function carryOut(
  places: PlaceFinder,
  request: CoordinationRequest,
  asked: ActAsked,
): Promise<Json> {
  const place = await places.find(request.cwd, asked.actor);
  const { action } = request;
  const me = await findActing(place, request.as, asked.actor);
  // An agent's shell is the person's too: what only a person may do is refused to whoever is known as an agent.
  const isPersonal = ["finish", "reopen", "gc"].includes(action.type);
  const actor = isPersonal && me !== null ? agentActor(me) : asked.actor;
  const act = { ...asked, actor, place, action, cwd: request.cwd, me };
  const carry = ACTS[action.type] as (act: object) => Json | Promise<Json>;
  return await carry(act);
}
