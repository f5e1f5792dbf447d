import type { Message } from "@canopy/protocol";
import type { Command } from "commander";
import { act } from "../connection/coordination-api.ts";
import { formatAge, formatDuration, sanitizeLine, sanitizeText } from "../output/format.ts";
import { collectList, parseDurationArgument } from "../parse-arguments.ts";
import { readStandardInput } from "../read-standard-input.ts";
import type { Common } from "./coordinate-command.ts";
import { addCommand, parse, show } from "./coordinate-command.ts";

function formatMessages(messages: readonly (Message & { readonly state: string })[]): string {
  if (messages.length === 0) return "no messages";
  const now = Date.now();
  return messages
    .map((message) => {
      const about =
        message.yield === null
          ? ""
          : ` about ${message.yield.targets.map((target) => target.label).join(", ")} (${message.yield.state})`;
      const deadline =
        message.deadlineAtMs === null
          ? ""
          : `, answer wanted in ${formatDuration(Math.max(0, message.deadlineAtMs - now))}`;
      const head = `${message.messageId} ${message.kind}${about} from ${sanitizeLine(message.fromName)}, ${formatAge(message.atMs, now)}${deadline}`;
      return `${head}\n  ${sanitizeText(message.body).replaceAll("\n", "\n  ")}`;
    })
    .join("\n");
}

interface SendOptions extends Common {
  readonly kind: "info" | "question" | "ack" | "request-yield" | "status-broadcast";
  readonly replyTo?: string;
  readonly priority: "low" | "normal" | "high";
  readonly deadline?: number;
  readonly target?: string[];
}

async function send(to: string, words: readonly string[], options: SendOptions): Promise<void> {
  const body = words.length === 1 && words[0] === "-" ? await readStandardInput() : words.join(" ");
  const answer = await act(
    {
      type: "send",
      to,
      kind: options.kind,
      body,
      priority: options.priority,
      targets: options.target ?? [],
      ...(options.replyTo === undefined ? {} : { replyTo: options.replyTo }),
      ...(options.deadline === undefined ? {} : { deadlineMs: options.deadline }),
    },
    options,
  );
  show(answer, options, () => {
    const names = parse<{ handle: string; state: string }[]>(answer["recipients"]).map(
      ({ handle, state }) => `@${handle} (${state})`,
    );
    return `${parse<string>(answer["messageId"])} to ${names.join(", ")}`;
  });
}

/** `send`, `ack`, `yield`. */
export function registerMail(program: Command): void {
  addCommand(
    program,
    "send <to> [text...]",
    "write to sessions: @NAME, all, agent:KIND, branch:NAME or holder:PATH; - reads standard input",
    "canopy send holder:src/auth.ts --kind request-yield 'I need it for the fix'",
  )
    .option("--kind <kind>", "info, question, ack, request-yield or status-broadcast", "info")
    .option("--reply-to <message>", "the message it answers")
    .option("--priority <priority>", "low, normal or high", "normal")
    .option("--deadline <duration>", "an answer is wanted within this time", parseDurationArgument)
    .option("--target <paths>", "what a request to yield is about", collectList)
    .action(async (to: string, words: string[], options: SendOptions) => send(to, words, options));
  addCommand(
    program,
    "ack [messages...]",
    "say that messages were read; all when none is named",
    "canopy ack msg_1k2m3np4q5r6",
  ).action(async (messages: string[], options: Common) => {
    const answer = await act({ type: "ack", messages }, options);
    show(answer, options, () => `acknowledged ${parse<string[]>(answer["acknowledged"]).length}`);
  });
  addCommand(
    program,
    "yield <message> <answer>",
    "answer a request to yield: accept, decline or after",
    "canopy yield msg_1k2m after --in 10m",
  )
    .option("--in <duration>", "with after: in how long", parseDurationArgument)
    .option("--note <text>", "what to say with it", "")
    .action(
      async (
        message: string,
        answerWord: "accept" | "decline" | "after",
        options: Common & { in?: number; note: string },
      ) => {
        const after = options.in === undefined ? {} : { afterMs: options.in };
        const answer = await act(
          { type: "yield", message, answer: answerWord, note: options.note, ...after },
          options,
        );
        show(
          answer,
          options,
          () => `${parse<string>(answer["state"])}, ${parse<number>(answer["given"])} claims given`,
        );
      },
    );
}

/** What mail is shown, and whose. */
export interface MailOptions extends Common {
  readonly all?: boolean;
  readonly limit?: number;
}

/** Mail of the session that runs the command. */
export async function showMail(options: MailOptions): Promise<void> {
  const answer = await act({ type: "inbox", all: options.all === true, limit: options.limit ?? 20 }, options);
  show(answer, options, () => formatMessages(parse(answer["messages"])));
}
