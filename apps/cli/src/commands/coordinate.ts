import type { Json } from "@canopy/protocol";
import type { Command } from "commander";
import { act } from "../connection/coordination-api.ts";
import type { Common, Setter } from "../coordination/coordinate-command.ts";
import { addCommand, parse, show } from "../coordination/coordinate-command.ts";
import { registerClaims } from "../coordination/register-claims.ts";
import { registerMail } from "../coordination/register-mail.ts";
import type { WaitOptions } from "../coordination/start-wait.ts";
import { startWait } from "../coordination/start-wait.ts";
import { formatAge, formatTable, sanitizeLine } from "../output/format.ts";
import { parseDurationArgument, parseWhole } from "../parse-arguments.ts";
import type { RegisterCommands } from "../run-cli.ts";

interface SessionRow {
  readonly sessionId: string;
  readonly handle: string;
  readonly agent: string;
  readonly state: string;
  readonly branch: string | null;
  readonly worktree: string;
  readonly status: string;
  readonly openedAtMs: number;
  readonly claims: number;
  readonly endReason: string | null;
  readonly children: readonly Json[];
}

function formatSessions(rows: readonly SessionRow[], me: string | null): string {
  if (rows.length === 0) return "no sessions take part here";
  const now = Date.now();
  return formatTable(
    ["SESSION", "AGENT", "STATE", "AGE", "CLAIMS", "BRANCH", "WORK TREE", "DOING"],
    rows.map((row) => [
      `@${row.handle}${row.sessionId === me ? " (you)" : ""}`,
      sanitizeLine(row.agent),
      row.state === "ended" ? `ended: ${sanitizeLine(row.endReason ?? "")}` : row.state,
      formatAge(row.openedAtMs, now),
      String(row.claims),
      sanitizeLine(row.branch ?? "-"),
      sanitizeLine(row.worktree),
      sanitizeLine(row.status),
    ]),
  );
}

function registerWaits(program: Command, setExit: Setter): void {
  addCommand(
    program,
    "wait [conditions...]",
    "wait for claim:PATH, idle:@WHO, ended:@WHO, message[:@WHO], reply:MESSAGE, file:PATH, task:TASK=STATE, landed:CHANGE or branch:NAME>INTO",
    "canopy wait claim:src/auth.ts --timeout 20m",
  )
    .option("--all", "until all of them came true, not the first")
    .option("--timeout <duration>", "how long at most", parseDurationArgument, 600_000)
    .option("--no-block", "return at once; the end is told at the next turn")
    .option("--hint <text>", "what to do then, as a note to oneself")
    .option("--cancel <wait>", "end a wait instead")
    .action(async (conditions: string[], options: WaitOptions) => startWait(conditions, options, setExit));
  addCommand(
    program,
    "explain",
    "show what happened among the sessions, and why edits were refused",
    "canopy explain --limit 20",
  )
    .option("--limit <count>", "how many lines", parseWhole(1, 1000), 50)
    .action(async (options: Common & { limit: number }) => {
      const answer = await act({ type: "explain", limit: options.limit }, options);
      show(answer, options, () => {
        const feed = parse<{ atMs: number; kind: string; text: string }[]>(answer["feed"]);
        const now = Date.now();
        return feed.length === 0
          ? "nothing happened yet"
          : feed
              .map((item) => `${formatAge(item.atMs, now)}  ${item.kind}  ${sanitizeLine(item.text)}`)
              .join("\n");
      });
    });
}

/** `sessions`, `whoami`, `note`, `claim`, `release`, `claims`, `send`, `ack`, `yield`, `wait`, `explain`. */
export const registerCoordinate: RegisterCommands = (program, setExit) => {
  addCommand(program, "sessions", "show the agents that work in this repository", "canopy sessions")
    .option("--all", "those that have ended too")
    .action(async (options: Common & { all?: boolean }) => {
      const answer = await act({ type: "sessions", all: options.all === true }, options);
      show(answer, options, () => formatSessions(parse(answer["sessions"]), parse(answer["me"])));
    });
  addCommand(
    program,
    "whoami",
    "show which session this is, what it holds and what it changed",
    "canopy whoami",
  ).action(async (options: Common) => {
    const answer = await act({ type: "whoami" }, options);
    const session = parse<SessionRow | null>(answer["session"]);
    show(answer, options, () =>
      session === null
        ? "no session: a person, or an agent that has not come yet"
        : `@${session.handle} ${session.sessionId} (${session.agent}, ${session.state}), ${parse<Json[]>(answer["claims"]).length} claims, ${parse<number>(answer["unread"])} unread`,
    );
  });
  addCommand(
    program,
    "note <text...>",
    "say in a line what this session is doing",
    "canopy note 'done with login'",
  ).action(async (words: string[], options: Common) => {
    show(await act({ type: "note", text: words.join(" ") }, options), options, () => "noted");
  });
  addCommand(
    program,
    "rename <handle>",
    "give this session another name, and a role to be written to by",
    "canopy rename checker --role reviewer",
  )
    .option("--role <role>", "what it is here for")
    .action(async (handle: string, options: Common & { role?: string }) => {
      const role = options.role === undefined ? {} : { role: options.role };
      show(
        await act({ type: "rename", handle, ...role }, options),
        options,
        () => `@${handle.replace(/^@/, "")}`,
      );
    });
  registerClaims(program, setExit);
  registerMail(program);
  registerWaits(program, setExit);
};
