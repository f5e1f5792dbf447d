import type { Inquiry, Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import { act } from "../connection/coordination-api.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import type { MailOptions } from "../coordination/register-mail.ts";
import { showMail } from "../coordination/register-mail.ts";
import { formatAge, sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { parseWhole } from "../parse-arguments.ts";
import type { RegisterCommands } from "../run-cli.ts";

interface InboxOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

interface AnswerOptions {
  readonly allow?: boolean;
  readonly deny?: boolean;
  readonly json?: boolean;
}

async function readInquiries(api: ProjectApi, isAll: boolean): Promise<Inquiry[]> {
  return readField<Inquiry[]>(await api.ask("GET", `/inquiries${isAll ? "?all=true" : ""}`), "inquiries");
}

/** The session that people know: not one that was started to mend its change. */
function rootSessionOf({ sessionId, parent }: Inquiry): string {
  return parent?.sessionId ?? sessionId;
}

function describeAsker({ sessionId, parent, subAgent }: Inquiry): string[] {
  return [
    ...(parent == null ? [] : [`  asked by its ${parent.role}, ${sessionId}`]),
    ...(subAgent == null ? [] : [`  asked by its agent: ${sanitizeLine(subAgent.name)}`]),
  ];
}

/** What waits for an answer in a session and in those that mend its changes, oldest first. */
export async function readInquiriesOf(api: ProjectApi, sessionId: string): Promise<Inquiry[]> {
  const open = await readInquiries(api, false);
  return open.filter((inquiry) => inquiry.sessionId === sessionId || rootSessionOf(inquiry) === sessionId);
}

/** The answers that a question came with, in either of the forms that agents give them. */
function readChoices(details: Json): string[] {
  if (typeof details !== "object" || details === null || Array.isArray(details)) return [];
  const own = Reflect.get(details, "options") as unknown;
  if (Array.isArray(own)) return own.filter((option) => typeof option === "string");
  const questions = Reflect.get(details, "questions") as unknown;
  if (!Array.isArray(questions) || questions.length !== 1) return [];
  const options: unknown = Reflect.get(Object(questions[0]), "options");
  if (!Array.isArray(options)) return [];
  return options
    .map((option) => String(Reflect.get(Object(option), "label")))
    .filter((label) => label !== "");
}

/** An inquiry in a few lines. */
export function describeInquiry(inquiry: Inquiry, now: number): string {
  const { inquiryId, kind, state, text, options, openedAtMs, by } = inquiry;
  const status = state === "open" ? formatAge(openedAtMs, now) : `${state} by ${sanitizeLine(by ?? "?")}`;
  const choices = [
    ...options.map((option) => `${option.optionId} (${option.name})`),
    ...readChoices(inquiry.details),
  ];
  return [
    `${inquiryId}  ${kind}  ${rootSessionOf(inquiry)}  ${status}`,
    ...describeAsker(inquiry),
    ...text.split("\n").map((line) => `  ${sanitizeLine(line)}`),
    ...(choices.length === 0 ? [] : [`  answers: ${sanitizeLine(choices.join(", "))}`]),
  ].join("\n");
}

async function showInbox(options: InboxOptions): Promise<void> {
  const api = await openProjectApi();
  const inquiries = await readInquiries(api, options.all === true);
  if (options.json === true) return printJson({ inquiries });
  if (inquiries.length === 0) return printText("nothing waits for you");
  const now = Date.now();
  printText(
    [
      ...inquiries.map((inquiry) => describeInquiry(inquiry, now)),
      "",
      "Answer: canopy answer ID TEXT   (permissions: --allow or --deny)",
    ].join("\n"),
  );
}

async function findInquiry(api: ProjectApi, reference: string): Promise<Inquiry> {
  const open = await readInquiries(api, false);
  const fitting = open.filter((inquiry) => inquiry.inquiryId.includes(reference));
  const [only] = fitting;
  if (only === undefined) {
    throw new CanopyError("thing.not-found", `nothing open fits '${reference}'`, {
      hint: "see: canopy inbox --all",
    });
  }
  if (fitting.length === 1) return only;
  throw new CanopyError("thing.ambiguous", `'${reference}' fits several`, { hint: "give more of the id" });
}

function chooseAnswer(inquiry: Inquiry, words: readonly string[], options: AnswerOptions): string | null {
  const text = words.join(" ");
  if (options.deny === true)
    return inquiry.options.find((option) => option.kind === "reject_once")?.optionId ?? null;
  if (options.allow === true) {
    const allow =
      inquiry.options.find((option) => option.kind === "allow_once") ??
      inquiry.options.find((option) => option.kind === "allow_always");
    if (allow !== undefined) return allow.optionId;
    throw new CanopyError("usage.invalid", "there is nothing to allow", { hint: "answer with a text" });
  }
  if (text !== "") return text;
  throw new CanopyError("usage.invalid", "no answer was given", {
    hint: `canopy answer ${inquiry.inquiryId} TEXT, or --allow, or --deny`,
  });
}

async function answer(reference: string, words: readonly string[], options: AnswerOptions): Promise<void> {
  const api = await openProjectApi();
  const found = await findInquiry(api, reference);
  const body = { answer: chooseAnswer(found, words, options) };
  const answered = await api.ask("POST", `/inquiries/${found.inquiryId}/answer`, body);
  const inquiry = readField<Inquiry>(answered, "inquiry");
  if (options.json === true) printJson({ inquiry });
  else printText(`answered ${inquiry.inquiryId}`);
}

/** True when a session runs this command: it is named, its agent says so, or its process is above this one. */
async function isSession(options: MailOptions): Promise<boolean> {
  if (options.session !== undefined || options.as !== undefined) return true;
  const { session } = await act({ type: "whoami" }, options);
  return session !== null;
}

/** `canopy inbox` and `canopy answer`. */
export const registerInbox: RegisterCommands = (program) => {
  program
    .command("inbox")
    .description(
      "what agents ask of you: leave, answers, more budget; for an agent: the messages to its session",
    )
    .option("--all", "also what was answered, acknowledged or closed")
    .option("--limit <count>", "how many messages at most", parseWhole(1, 200), 20)
    .option("--session <session>", "whose messages: a handle or id; default: found by environment or process")
    .option("--as <name>", "come as a session of this name, for agents without hooks")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy inbox")
    .action(async (options: InboxOptions & MailOptions) => {
      const isAgent = await isSession(options);
      await (isAgent ? showMail(options) : showInbox(options));
    });
  program
    .command("answer")
    .argument("<inquiry>", "its id or a part of it")
    .argument("[answer...]", "a text, or the id of an option")
    .description("answer an agent; a task that waited for it goes on in the same session")
    .option("--allow", "allow it, once")
    .option("--deny", "refuse it")
    .option("--json", "print the answered inquiry as JSON")
    .addHelpText("after", '\nExample:\n  canopy answer 4kq2 "Use PostgreSQL"')
    .action(answer);
};
