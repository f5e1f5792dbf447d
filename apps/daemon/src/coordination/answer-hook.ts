import type { Blocker, EditAnswer, MergeRisk } from "@canopy/protocol";
import { brandId } from "@canopy/protocol";
import {
  composeRefusal,
  describeBlocker,
  handleOf,
  neutralise,
  selectPresent,
  selectTouchesSince,
  selectUntold,
  selectUntoldWaits,
} from "@canopy/core";
import type { HookCall, HookReply, ToolIntent } from "@canopy/hooks";
import { NO_REPLY } from "@canopy/hooks";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { namePath } from "./name-path.ts";
import type { PlannedEdits } from "./plan-edits.ts";
import { planEdits } from "./plan-edits.ts";
import type { ReadLedger } from "./read-ledger.ts";

/** One hook call of a session that is known. */
export interface HookTurn {
  readonly call: HookCall;
  readonly place: CoordinatedPlace;
  readonly sessionId: string;
  readonly ledger: ReadLedger;
  /** True when the person said that this agent may go past refusals (`CANOPY_BYPASS=1`). */
  readonly isBypassed: boolean;
}

const WAY_OUT =
  'Work on something else, wait for it (canopy wait "claim:PATH"), or ask its holder (canopy send holder:PATH --kind request-yield "why").';

/** What is new for the session, as text; empty when nothing is. Told once. */
export function takeDigest({ place, sessionId }: HookTurn, where: string): string | null {
  const digest = place.submit({
    type: "digest.take",
    sessionId: brandId("session", sessionId),
    where,
    maxChars: place.config.digest_chars,
  });
  const { text } = digest as { readonly text: string };
  return text === "" ? null : text;
}

function describeRisks(risks: readonly MergeRisk[]): string | null {
  if (risks.length === 0) return null;
  const lines = risks.slice(0, 5).map(({ target, handle, branch }) => {
    const on = branch === null ? "" : ` on branch ${neutralise(branch)}`;
    return `@${handle} also works on ${neutralise(target.label)}${on}, in another work tree: it will have to be merged.`;
  });
  return lines.join("\n");
}

function begin(turn: HookTurn, edits: PlannedEdits): EditAnswer {
  const { place, sessionId, call } = turn;
  const tool = call.event.type === "before-tool" ? call.event.tool : "";
  const ask = (list: PlannedEdits["claimed"], claims: boolean): EditAnswer | null =>
    list.length === 0
      ? null
      : (place.submit({
          type: "edit.begin",
          sessionId: brandId("session", sessionId),
          childId: call.childId,
          tool,
          edits: [...list],
          worktree: edits.worktree,
          claims,
          ttlMs: place.config.edit_claim_ttl,
        }) as unknown as EditAnswer);
  // What is only checked goes first: when it is refused, nothing is claimed.
  const checked = ask(edits.checked, false);
  if (checked !== null && (checked.decision === "deny" || checked.decision === "ask")) return checked;
  const claimed = ask(edits.claimed, true);
  return mergeAnswers([checked, claimed].filter((answer) => answer !== null));
}

const SEVERITY = ["allow", "warn", "ask", "deny"] as const;

function mergeAnswers(answers: readonly EditAnswer[]): EditAnswer {
  const worst = Math.max(0, ...answers.map((answer) => SEVERITY.indexOf(answer.decision)));
  return {
    decision: SEVERITY[worst] ?? "allow",
    blockers: answers.flatMap((answer) => answer.blockers),
    risks: answers.flatMap((answer) => answer.risks),
    claimed: answers.flatMap((answer) => answer.claimed),
  };
}

/** Files that another session changed after this one had read them. */
function findStale(turn: HookTurn, intents: readonly ToolIntent[]): string[] {
  const { place, sessionId, ledger } = turn;
  return intents.flatMap((intent) => {
    if (intent.kind !== "write" || intent.certainty !== "sure" || intent.glob !== null) return [];
    const seq = ledger.changedSince(sessionId, intent.path);
    if (seq === null) return [];
    const { key } = namePath(intent.path, place.worktree.root, place.worktree);
    const [touch] = place.read((sql) => selectTouchesSince(sql, key, seq, sessionId));
    if (touch === undefined) return [];
    const who = place.read((sql) => handleOf(sql, touch.sessionId));
    return [`${who} changed ${neutralise(key)} after you read it: read it again before you change it.`];
  });
}

function describe(blockers: readonly Blocker[]): string {
  return composeRefusal(blockers, describeBlocker);
}

/** A tool is about to run: what it would change is claimed, or the refusal says why and what to do. */
export function answerBeforeTool(turn: HookTurn, intents: readonly ToolIntent[]): HookReply {
  const { place, isBypassed, sessionId, call } = turn;
  const plans = planEdits(intents, place.worktree, place.config);
  if (plans.length === 0) return NO_REPLY;
  const answer = mergeAnswers(plans.map((plan) => begin(turn, plan)));
  const stale = findStale(turn, intents);
  const risks = describeRisks(answer.risks);
  if (isBypassed && (answer.decision === "deny" || answer.decision === "ask")) {
    const what = `${call.event.type === "before-tool" ? call.event.tool : "a tool"} on ${answer.blockers
      .map((blocker) => blocker.target.label)
      .slice(0, 3)
      .join(", ")}`;
    place.submit({
      type: "edit.report-bypass",
      sessionId: brandId("session", sessionId),
      what: what.slice(0, 500),
      reason: "CANOPY_BYPASS",
    });
    return { ...NO_REPLY, notice: `Canopy: bypassed. ${describe(answer.blockers)}` };
  }
  if (answer.decision === "deny")
    return { ...NO_REPLY, decision: "deny", reason: `${describe(answer.blockers)}. ${WAY_OUT}` };
  if (answer.decision === "ask")
    return { ...NO_REPLY, decision: "ask", reason: `${describe(answer.blockers)}. Change it all the same?` };
  if (stale.length > 0) return { ...NO_REPLY, decision: "deny", reason: stale.join(" ") };
  const warning = answer.decision === "warn" ? `${describe(answer.blockers)}.` : null;
  const context = [warning, risks].filter((text) => text !== null).join("\n");
  return context === "" ? NO_REPLY : { ...NO_REPLY, context };
}

/** A tool has run: what it read is known now, what it changed is noted, and what is new is told. */
export function answerAfterTool(turn: HookTurn, intents: readonly ToolIntent[], failed: boolean): HookReply {
  const { place, sessionId, ledger, call } = turn;
  const keysByTree = new Map<string, Set<string>>();
  for (const intent of intents) {
    if (intent.kind === "git" || intent.glob !== null || intent.certainty !== "sure") continue;
    ledger.note(sessionId, intent.path, place.project.room.lastSeq);
    if (intent.kind === "read" || failed) continue;
    const { key, worktree } = namePath(intent.path, place.worktree.root, place.worktree);
    if (key.startsWith("/") || key === "" || key.startsWith(".git/")) continue;
    const keys = keysByTree.get(worktree) ?? new Set();
    keysByTree.set(worktree, keys.add(key));
  }
  for (const [worktree, keys] of keysByTree) {
    place.submit({
      type: "edit.end",
      sessionId: brandId("session", sessionId),
      worktree,
      keys: [...keys].slice(0, 5000),
    });
  }
  return { ...NO_REPLY, context: takeDigest(turn, call.nativeEvent) };
}

/** True when something waits that should not wait for the next prompt: a question, a request, the end of a wait. */
function hasUrgent({ place, sessionId }: HookTurn): boolean {
  return place.read((sql) => {
    const session = selectPresent(sql, sessionId);
    if (session === undefined) return false;
    if (selectUntoldWaits(sql, sessionId).length > 0) return true;
    return selectUntold(sql, sessionId, session.presence.epoch).some(
      ({ message }) =>
        message.priority === "high" || message.kind === "question" || message.kind === "request-yield",
    );
  });
}

/** A turn has ended: the session is idle, not gone. What is urgent keeps it at work, once. */
export function answerTurnEnd(turn: HookTurn, stopHookActive: boolean): HookReply {
  const { place, sessionId, call } = turn;
  if (!stopHookActive && hasUrgent(turn)) {
    const digest = takeDigest(turn, call.nativeEvent);
    if (digest !== null) return { ...NO_REPLY, keepWorking: digest };
  }
  place.submit({ type: "presence.update", sessionId: brandId("session", sessionId), state: "idle" });
  return NO_REPLY;
}
