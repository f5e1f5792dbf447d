import type { Command } from "commander";
import type { AgentEvent, Inquiry, Prompt, Session, TranscriptEntry } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { formatAge, formatCost, formatTable, neutralize, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { uploadImages } from "../images/upload-images.ts";
import { collectList } from "../parse-arguments.ts";
import type { ForkOptions } from "../session/fork-session.ts";
import type { RegisterCommands } from "../run-cli.ts";
import { describeInquiry, readInquiriesOf } from "./inbox.ts";

interface JsonOption {
  readonly json?: boolean;
}

interface PromptOption extends JsonOption {
  readonly now?: boolean;
  readonly image?: string[];
}

const PAGE = 5000;

/** The session that a part of an id stands for. Throws `thing.not-found` and `thing.ambiguous`. */
export async function findSession(api: ProjectApi, reference: string): Promise<Session> {
  const sessions = readField<Session[]>(await api.ask("GET", "/sessions"), "sessions");
  const fitting = sessions.filter((session) => session.sessionId.includes(reference));
  const exact = fitting.find((session) => session.sessionId === reference);
  const [only] = fitting;
  if (only === undefined) throw new CanopyError("thing.not-found", `no session '${reference}'`);
  if (exact === undefined && fitting.length > 1) {
    throw new CanopyError("thing.ambiguous", `'${reference}' fits several sessions`, {
      hint: "give more of the id",
    });
  }
  return exact ?? only;
}

async function readEntries(api: ProjectApi, sessionId: string): Promise<TranscriptEntry[]> {
  const entries: TranscriptEntry[] = [];
  for (;;) {
    const after = entries.at(-1)?.index ?? 0;
    const path = `/sessions/${sessionId}/transcript?after=${after}&limit=${PAGE}`;
    const page = readField<TranscriptEntry[]>(await api.ask("GET", path), "entries");
    entries.push(...page);
    if (page.length < PAGE) return entries;
  }
}

/** One event in a line or a block of text; null for what only programs want to know. */
export function describeEvent(event: AgentEvent): string | null {
  if (event.type === "message.done") return event.text;
  if (event.type === "thought.done") return `(thinks) ${event.text}`;
  if (event.type === "tool.ended") return `[${event.tool.state}] ${sanitizeLine(event.tool.title)}`;
  if (event.type === "error") return `error: ${event.kind}: ${event.message}`;
  if (event.type === "question.asked") return `question: ${event.text}`;
  if (event.type === "permission.answered") return `permission: ${event.optionId ?? "refused"} (${event.by})`;
  if (event.type === "turn.ended") return `-- ${event.reason}`;
  return null;
}

function describeSession({ sessionId, agent, sandboxLevel }: Session): string {
  const level = sandboxLevel === null ? "not started" : `at sandbox level ${sandboxLevel}`;
  return `Session ${sessionId}, agent ${agent}, ${level}`;
}

interface ShownSession {
  readonly session: Session;
  readonly prompts: readonly Prompt[];
  readonly entries: readonly TranscriptEntry[];
  readonly inquiries: readonly Inquiry[];
}

function toMarkdown({ session, prompts, entries, inquiries }: ShownSession): string {
  const parts = [`# ${session.title}`, describeSession(session)];
  const { forkOf } = session;
  if (forkOf !== undefined) parts.push(`It began with the conversation of session ${forkOf.sessionId}.`);
  for (const prompt of prompts) {
    parts.push(`## Prompt of ${prompt.author}`, prompt.text);
    for (const image of prompt.images ?? []) parts.push(`(image: ${sanitizeLine(image.name)})`);
  }
  parts.push("## Transcript");
  for (const { event } of entries) {
    const text = describeEvent(event);
    if (text !== null) parts.push(text);
  }
  if (inquiries.length > 0) parts.push("## Waits for you");
  const now = Date.now();
  for (const inquiry of inquiries) parts.push(describeInquiry(inquiry, now));
  // What agents say may hold anything, also what a terminal would obey.
  return neutralize(parts.join("\n\n"));
}

async function listSessions(options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const sessions = readField<Session[]>(await api.ask("GET", "/sessions"), "sessions");
  if (options.json === true) return printJson({ sessions });
  if (sessions.length === 0) return printText("no sessions yet");
  const now = Date.now();
  const rows = sessions.map((session) => [
    session.sessionId,
    session.state,
    sanitizeLine(session.agent),
    session.sandboxLevel ?? "-",
    formatAge(session.openedAtMs, now),
    String(session.usage.inputTokens + session.usage.outputTokens),
    formatCost(session.usage.costUsd),
    sanitizeLine(session.title),
  ]);
  printText(formatTable(["SESSION", "STATE", "AGENT", "LEVEL", "OPENED", "TOKENS", "COST", "TITLE"], rows));
}

async function showSession(reference: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const found = await findSession(api, reference);
  const answer = await api.ask("GET", `/sessions/${found.sessionId}`);
  const session = readField<Session>(answer, "session");
  const prompts = readField<Prompt[]>(answer, "prompts");
  const entries = await readEntries(api, found.sessionId);
  const inquiries = await readInquiriesOf(api, found.sessionId);
  if (options.json === true) printJson({ session, prompts, entries, inquiries });
  else printText(toMarkdown({ session, prompts, entries, inquiries }));
}

async function promptSession(
  reference: string,
  words: readonly string[],
  options: PromptOption,
): Promise<void> {
  const api = await openProjectApi();
  const { sessionId } = await findSession(api, reference);
  const images = await uploadImages(api, options.image ?? []);
  const body = {
    text: words.join(" "),
    delivery: options.now === true ? "interrupt" : "queue",
    ...(images.length === 0 ? {} : { images }),
  };
  const promptId = readField<string>(
    await api.ask("POST", `/sessions/${sessionId}/prompts`, body),
    "promptId",
  );
  if (options.json === true) printJson({ sessionId, promptId });
  else printText(options.now === true ? "asked instead of the running turn" : "asked; it is next in line");
}

async function cancelSession(reference: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const { sessionId, attemptId } = await findSession(api, reference);
  if (attemptId === null)
    throw new CanopyError(
      "thing.not-found",
      `session ${sessionId} belongs to no attempt that could be ended`,
    );
  await api.ask("POST", `/attempts/${attemptId}/kill`, {});
  if (options.json === true) printJson({ sessionId, attemptId });
  else printText(`ending ${sessionId}`);
}

function registerFork(session: Command): void {
  session
    .command("fork")
    .argument("<session>", "a session's id or a part of it")
    .argument("[title...]", "what the new task is called")
    .description("make a task that begins with a session's conversation, and leave that session as it is")
    .option("--prompt <text>", "what the fork is asked")
    .option("--agent <name>", "another agent, which is told the conversation (default: the session's)")
    .option("--model <name>", "the model that shall do it")
    .option("--image <file>", "a picture that goes with it: PNG, JPEG, GIF or WebP; repeatable", collectList)
    .option("--json", "print the task as JSON")
    .addHelpText("after", '\nExample:\n  canopy session fork 4kq2 --prompt "Try it with a table instead"')
    .action(async (reference: string, words: string[], options: ForkOptions) => {
      const { forkSession } = await import("../session/fork-session.ts");
      await forkSession(reference, words, options);
    });
}

/** `canopy session`. */
export const registerSession: RegisterCommands = (program) => {
  const session = program
    .command("session")
    .description("the agents' sessions: what was asked, said and done")
    .addHelpText("after", "\nExample:\n  canopy session list");
  session
    .command("list")
    .description("list the sessions of this project")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy session list")
    .action(listSessions);
  for (const [name, description] of [
    ["show", "print a session's prompts and transcript"],
    ["export", "print a session as Markdown, or whole as JSON"],
  ] as const) {
    session
      .command(name)
      .argument("<session>", "a session's id or a part of it")
      .description(description)
      .option("--json", "print everything as JSON")
      .addHelpText("after", `\nExample:\n  canopy session ${name} 4kq2`)
      .action(showSession);
  }
  session
    .command("attach")
    .argument("<session>", "a session's id or a part of it")
    .description("follow a session as it works; in a terminal, every line that you type is asked of it")
    .addHelpText("after", "\nExample:\n  canopy session attach 4kq2")
    .action(async (reference: string) => {
      const { attachSession } = await import("../session/attach-session.ts");
      await attachSession(reference);
    });
  session
    .command("prompt")
    .argument("<session>", "a session's id or a part of it")
    .argument("<text...>", "what to ask")
    .description("ask something of a session that is at work, when its turn is over")
    .option("--now", "end the running turn first")
    .option("--image <file>", "a picture that goes with it: PNG, JPEG, GIF or WebP; repeatable", collectList)
    .option("--json", "print what was asked as JSON")
    .addHelpText("after", '\nExample:\n  canopy session prompt 4kq2 "Add a test, too"')
    .action(promptSession);
  registerFork(session);
  session
    .command("cancel")
    .argument("<session>", "a session's id or a part of it")
    .description("end a session's attempt; what it did is kept")
    .option("--json", "print what was ended as JSON")
    .addHelpText("after", "\nExample:\n  canopy session cancel 4kq2")
    .action(cancelSession);
};
