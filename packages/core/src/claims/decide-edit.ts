import type {
  Blocker,
  Claim,
  EditAnswer,
  EditTarget,
  MergeRisk,
  ProjectCommand,
  ProjectEvent,
  Touch,
} from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { acceptOnce } from "../kernel/room-definition.ts";
import { requireActing } from "../presence/decide-presence.ts";
import { toJson } from "../rooms/to-json.ts";
import { selectClaimsOf, selectTickets, selectTouchedAt } from "./claim-rows.ts";
import { describeBlocker } from "./describe-blocker.ts";
import type { Want } from "./find-blockers.ts";
import { findBlockers, findRisks, sameGround } from "./find-blockers.ts";
import { grantAll, takeUpReserved, useClaim } from "./grant-claims.ts";
import { targetCovers } from "./targets-overlap.ts";

type Context = DecideContext<ProjectEvent>;
type Command<T extends ProjectCommand["type"]> = Extract<ProjectCommand, { type: T }>;

/** A file that a session changes over and over is noted again after this time, in ms. */
export const TOUCH_EVERY_MS = 60_000;

const SEVERITY = { allow: 0, warn: 1, ask: 2, deny: 3 } as const;
type Decision = EditAnswer["decision"];

function worse(a: Decision, b: Decision): Decision {
  return SEVERITY[a] >= SEVERITY[b] ? a : b;
}

function wantOf(command: Command<"edit.begin">, edit: EditTarget): Want {
  return {
    sessionId: command.sessionId,
    targets: [edit.target],
    mode: "exclusive",
    worktree: command.worktree,
  };
}

function claimForEdit(context: Context, command: Command<"edit.begin">, edit: EditTarget): Claim[] {
  const covering = selectClaimsOf(context.sql, command.sessionId).find(
    (claim) =>
      claim.mode === "exclusive" &&
      sameGround(claim.worktree, command.worktree) &&
      targetCovers(claim.target, edit.target),
  );
  if (covering !== undefined) {
    useClaim(context, covering, command.ttlMs);
    return [];
  }
  return grantAll(context, {
    ...wantOf(command, edit),
    reason: "",
    ttlMs: command.ttlMs,
    isAutomatic: true,
    isReserved: false,
  });
}

/**
 * A tool is about to change files. What nobody holds is claimed for the session; what a live peer holds is answered by
 * the rule of that path. When anything is refused or to be asked, nothing is claimed: the tool does not run (yet).
 */
export function decideBeginEdit(context: Context, command: Command<"edit.begin">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  takeUpReserved(context, command.sessionId);
  const tickets = selectTickets(context.sql);
  const blockers: Blocker[] = [];
  const risks: MergeRisk[] = [];
  const free: EditTarget[] = [];
  let decision: Decision = "allow";
  for (const edit of command.edits) {
    if (edit.enforcement === "off") continue;
    const want = wantOf(command, edit);
    const inTheWay = findBlockers(context.sql, want, tickets, context.nowMs);
    risks.push(...findRisks(context.sql, want));
    if (inTheWay.length === 0) free.push(edit);
    else {
      blockers.push(...inTheWay);
      decision = worse(decision, edit.enforcement);
    }
  }
  const runs = decision === "allow" || decision === "warn";
  const claimed = runs && command.claims ? free.flatMap((edit) => claimForEdit(context, command, edit)) : [];
  const [first] = blockers;
  if (decision === "deny" && first !== undefined) {
    const { handle } = found.session.presence;
    const text = `@${handle} was kept from ${command.tool} on ${first.target.label}: ${describeBlocker(first)}`;
    context.emit({ type: "edit.refused", sessionId: command.sessionId, tool: command.tool, text });
  }
  const answer: EditAnswer = { decision, blockers, risks: uniqueRisks(risks), claimed };
  return acceptOnce(toJson(answer));
}

function uniqueRisks(risks: readonly MergeRisk[]): MergeRisk[] {
  const byKey = new Map(risks.map((risk) => [`${risk.sessionId}\n${risk.target.key}`, risk]));
  return [...byKey.values()].slice(0, 20);
}

/** Files were changed: noted once a minute each, and again when somebody else was the last one to change them. */
export function decideEndEdit(context: Context, command: Command<"edit.end">): DecideAnswer {
  const found = requireActing(context, command.sessionId);
  if (found.type === "rejection") return found;
  const touches = command.keys
    .map((key): Touch => ({
      sessionId: command.sessionId,
      worktree: command.worktree,
      key,
      atMs: context.nowMs,
    }))
    .filter((touch) => {
      const beforeMs = selectTouchedAt(context.sql, touch);
      return beforeMs === null || context.nowMs - beforeMs >= TOUCH_EVERY_MS;
    });
  if (touches.length > 0) context.emit({ type: "files.touched", touches });
  return acceptOnce(null);
}

/** Somebody went past a refusal. */
export function decideReportBypass(context: Context, command: Command<"edit.report-bypass">): DecideAnswer {
  const text = `${command.what}${command.reason === "" ? "" : `: ${command.reason}`}`;
  context.emit({ type: "edit.bypassed", sessionId: command.sessionId, text });
  return acceptOnce(null);
}
