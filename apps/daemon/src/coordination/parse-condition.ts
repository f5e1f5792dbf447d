import type { LeafCondition } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import { resolveTask, selectByReference, selectMessagesByReference } from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { namePath, nameTargets } from "./name-path.ts";
import { isFolder } from "./is-folder.ts";

const FORMS =
  "claim:PATH, granted:TICKET, idle:@WHO, ended:@WHO, message, message:@WHO, reply:MESSAGE, file:PATH, task:TASK=STATE, landed:CHANGE or branch:NAME>INTO";

function bad(text: string, why: string): CanopyError {
  return new CanopyError("usage.invalid", `cannot wait for ${JSON.stringify(text)}: ${why}`, {
    hint: `say ${FORMS}`,
  });
}

type Parser = (rest: string, place: CoordinatedPlace, cwd: string) => unknown;

function findSessionId(place: CoordinatedPlace, name: string): string {
  const found = place.read((sql) => selectByReference(sql, name));
  const [session] = found;
  if (session === undefined || found.length > 1)
    throw new CanopyError("thing.not-found", `no one session ${name}`, {
      hint: "canopy sessions lists them",
    });
  return session.sessionId;
}

const PARSERS: Readonly<Record<string, Parser>> = {
  claim: (rest, place, cwd) => {
    const [named] = nameTargets(rest, cwd, place.worktree, isFolder);
    if (named === undefined) throw bad(rest, "no path");
    const worktree = named.target.kind === "resource" ? null : place.groundOf(named.worktree);
    return { type: "claim-free", target: named.target, worktree };
  },
  granted: (rest) => ({ type: "claim-granted", ticketId: rest }),
  idle: (rest, place) => ({ type: "session-idle", sessionId: findSessionId(place, rest) }),
  ended: (rest, place) => ({ type: "session-ended", sessionId: findSessionId(place, rest) }),
  message: (rest, place) => ({
    type: "message",
    from: rest === "" ? null : findSessionId(place, rest),
    kind: null,
  }),
  reply: (rest, place) => {
    const [message] = place.read((sql) => selectMessagesByReference(sql, rest));
    if (message === undefined) throw new CanopyError("thing.not-found", `no message ${rest}`);
    return { type: "reply", messageId: message.messageId };
  },
  file: (rest, place, cwd) => ({ type: "file-changed", key: namePath(rest, cwd, place.worktree).key }),
  task: (rest, place) => {
    const [reference = "", state = "closed"] = rest.split("=");
    const resolved = place.read((sql) => resolveTask(sql, reference));
    if (resolved.type !== "task") throw new CanopyError("thing.not-found", resolved.message);
    return { type: "task-state", taskId: resolved.task.taskId, state };
  },
  landed: (rest) => ({ type: "change-landed", changeId: rest }),
  branch: (rest, place) => {
    const [branch = "", into = place.branch ?? ""] = rest.split(">");
    return { type: "branch-merged", branch, into };
  },
};

/** What is waited for, from its text. Throws `usage.invalid` and `thing.not-found`. */
export function parseCondition(text: string, place: CoordinatedPlace, cwd: string): LeafCondition {
  const colon = text.indexOf(":");
  const word = colon === -1 ? text : text.slice(0, colon);
  const rest = colon === -1 ? "" : text.slice(colon + 1);
  const parse = Object.hasOwn(PARSERS, word) ? PARSERS[word] : undefined;
  if (parse === undefined) throw bad(text, "it is no condition");
  if (rest === "" && word !== "message") throw bad(text, "what comes after the colon is missing");
  return parse(rest, place, cwd) as LeafCondition;
}
