import type { Actor, Claim, ClaimAnswer, EditAnswer, Json, Message, Target, Wait } from "@canopy/protocol";
import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { projectRoom } from "@canopy/core";
import type { TestRoom } from "./open-test-room.ts";
import { openTestRoom } from "./open-test-room.ts";

/** Root of the first work tree in tests. */
export const TEST_WORKTREE = "/repo";

/** A target from a short text: `a.ts`, `src/` (folder), `src/*.ts` (glob), `port:3000` (resource). */
export function testTarget(text: string): Target {
  if (/^[a-z]+:/.test(text)) return { kind: "resource", key: text, label: text };
  if (/[*?[]/.test(text)) return { kind: "glob", key: text, label: text };
  if (text.endsWith("/")) return { kind: "directory", key: text.slice(0, -1), label: text };
  return { kind: "path", key: text, label: text };
}

function readString(answer: Record<string, Json>, name: string): string {
  const value = answer[name];
  if (typeof value !== "string") throw new Error(`no text ${name} in ${JSON.stringify(answer)}`);
  return value;
}

/** A project room with sessions that are named by a letter. */
export class CoordinationRoom {
  readonly test: TestRoom<ProjectCommand, ProjectEvent>;
  #count = 0;

  constructor(seed = 1) {
    this.test = openTestRoom(projectRoom, seed);
  }

  /** Submits and returns the refusal's code, or null when it was accepted. */
  refusal(command: Record<string, unknown>, actor?: Actor): string | null {
    const answer = this.test.submit(command, actor === undefined ? {} : { actor });
    return answer.type === "rejection" ? answer.code : null;
  }

  /** A session joins; returns its id. */
  join(
    native: string,
    options: {
      readonly agent?: string;
      readonly worktree?: string;
      readonly pid?: number | null;
      readonly branch?: string;
      readonly source?: string;
    } = {},
  ): string {
    const pid = options.pid === undefined ? (this.#count += 1) + 1000 : options.pid;
    const answer = this.test.accept({
      type: "presence.join",
      agent: options.agent ?? "claude",
      nativeSessionId: native,
      source: options.source ?? "startup",
      process: pid === null ? null : { pid, startedAt: `start-${pid}`, bootId: "boot" },
      worktree: options.worktree ?? TEST_WORKTREE,
      branch: options.branch ?? "main",
    });
    return readString(answer, "sessionId");
  }

  claim(sessionId: string, texts: string, options: Record<string, unknown> = {}): ClaimAnswer {
    return this.test.accept({
      type: "claim.acquire",
      sessionId,
      targets: texts.split(" ").map((text) => testTarget(text)),
      worktree: TEST_WORKTREE,
      ...options,
    }) as unknown as ClaimAnswer;
  }

  claimRefusal(sessionId: string, texts: string, options: Record<string, unknown> = {}): string | null {
    return this.refusal({
      type: "claim.acquire",
      sessionId,
      targets: texts.split(" ").map((text) => testTarget(text)),
      worktree: TEST_WORKTREE,
      ...options,
    });
  }

  release(sessionId: string, texts: string): Record<string, Json> {
    const targets = texts.split(" ").map((text) => testTarget(text));
    return this.test.accept({ type: "claim.release", sessionId, what: { targets, worktree: TEST_WORKTREE } });
  }

  edit(sessionId: string, texts: string, options: Record<string, unknown> = {}): EditAnswer {
    const { enforcement = "deny", ...rest } = options;
    return this.test.accept({
      type: "edit.begin",
      sessionId,
      tool: "Edit",
      edits: texts.split(" ").map((text) => ({ target: testTarget(text), enforcement })),
      worktree: TEST_WORKTREE,
      ...rest,
    }) as unknown as EditAnswer;
  }

  send(from: string | null, to: string, body: string, options: Record<string, unknown> = {}): string {
    return readString(this.test.accept({ type: "mail.send", from, to, body, ...options }), "messageId");
  }

  digest(sessionId: string, maxChars = 1200): string {
    return readString(this.test.accept({ type: "digest.take", sessionId, where: "test", maxChars }), "text");
  }

  wait(sessionId: string, condition: Record<string, unknown>, options: Record<string, unknown> = {}): Wait {
    return this.test.accept({ type: "wait.start", sessionId, condition, ...options })[
      "wait"
    ] as unknown as Wait;
  }

  inbox(sessionId: string): Message[] {
    return this.test.accept({ type: "mail.read", sessionId, limit: 200 })["messages"] as unknown as Message[];
  }

  end(sessionId: string, reason = "done"): void {
    this.test.accept({ type: "presence.end", sessionId, reason });
  }

  /** What is held, as `HOLDER TARGET`, oldest grant first. */
  held(): string[] {
    return this.test.room.sql
      .exec("SELECT value FROM claims ORDER BY fence")
      .map((row) => JSON.parse(String(row["value"])) as Claim)
      .map((claim) => `${claim.sessionId} ${claim.target.label}`);
  }
}
