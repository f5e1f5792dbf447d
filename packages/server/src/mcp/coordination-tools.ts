import type { CoordinationRequestInput, Json } from "@canopy/protocol";
import { z } from "zod";
import type { AgentTool, ToolCallContext } from "./agent-tool.ts";
import { agentTool, quoteLine, quoteOthers } from "./agent-tool.ts";

const names = z.array(z.string().min(1).max(4096)).min(1).max(100);
const NAMES =
  'paths relative to the repository, "DIR/" for a folder, globs, or "port:3000" and other TYPE:NAME for things that are no files';
/** Below the shortest time that agents give a tool, which is a minute. */
const MAX_BLOCK_MS = 45_000;

/** What these tools need of a call: they also serve agents that nobody started, which have no grant. */
export type CoordinationCall = Pick<ToolCallContext, "act">;

type Action = CoordinationRequestInput["action"];

function parse<T>(value: Json | undefined): T {
  return value as T;
}

interface Named {
  readonly handle: string;
  readonly state: string;
}

interface Held extends Named {
  readonly mode: string;
  readonly reason: string;
  readonly target: { readonly label: string };
}

interface Mail {
  readonly messageId: string;
  readonly kind: string;
  readonly fromName: string;
  readonly body: string;
  readonly state: string;
}

interface Waiting {
  readonly waitId: string;
  readonly state: string;
  readonly outcome: string;
}

function describeWait(answer: Readonly<Record<string, Json>>): string {
  const wait = parse<Waiting>(answer["wait"]);
  return wait.state === "waiting"
    ? `Still waiting (${wait.waitId}). Ask again with this wait_id, or go on with something else: its end is told to you.`
    : `${wait.state}: ${quoteLine(wait.outcome)}`;
}

/** Sessions, claims, mail and waits: what agents in one repository need to keep out of each other's way. */
export const COORDINATION_TOOLS: readonly AgentTool<CoordinationCall>[] = [
  agentTool({
    name: "list_sessions",
    title: "Agents in this repository",
    description:
      "Canopy: the agents that work in this repository now, where, on which branch, and what they say they do.",
    input: z.object({}),
    isReadOnly: true,
    handle: async (call: CoordinationCall) => {
      const answer = await call.act({ type: "sessions" });
      const rows = parse<
        (Named & {
          sessionId: string;
          agent: string;
          branch: string | null;
          status: string;
          claims: number;
        })[]
      >(answer["sessions"]);
      const lines = rows.map((row) => {
        const you = row.sessionId === answer["me"] ? " (you)" : "";
        const doing = row.status === "" ? "" : `: ${quoteLine(row.status)}`;
        return `- @${row.handle}${you} (${quoteLine(row.agent)}, ${row.state}, ${row.claims} claims, branch ${quoteLine(row.branch ?? "none")})${doing}`;
      });
      return quoteOthers("Here now", lines, "Nobody else is here.");
    },
  }),
  agentTool({
    name: "claim_files",
    title: "Claim files or resources",
    description: `Canopy: claims files or named resources for you, all or none, so that other agents are kept out until you release them: ${NAMES}. With wait you stand in line when somebody holds one. check only says what would happen.`,
    input: z.object({
      targets: names,
      reason: z.string().max(500).default(""),
      mode: z.enum(["exclusive", "shared", "intent"]).default("exclusive"),
      wait: z.boolean().default(false),
      check: z.boolean().default(false),
    }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { targets, reason, mode, wait, check }) => {
      const answer = await call.act({ type: "claim", targets, reason, mode, wait, check });
      const state = parse<string>(answer["state"]);
      const who = parse<Held[]>(answer["blockers"]).map(
        (held) =>
          `- @${held.handle} (${held.state}): ${quoteLine(held.target.label)} ${quoteLine(held.reason)}`,
      );
      const risks = parse<Held[]>(answer["risks"]).map(
        (risk) =>
          `- @${risk.handle} works on ${quoteLine(risk.target.label)} in another work tree: it will have to be merged`,
      );
      const next =
        state === "queued"
          ? [`You stand in line: wait for "granted:${parse<string>(answer["ticketId"])}".`]
          : [];
      return [state, ...next, ...who, ...risks].join("\n");
    },
  }),
  agentTool({
    name: "release_files",
    title: "Release claims",
    description: `Canopy: gives up what you claimed: ${NAMES}; all of it without targets.`,
    input: z.object({ targets: z.array(z.string().min(1).max(4096)).max(100).default([]) }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { targets }) => {
      const answer = await call.act({ type: "release", targets, all: targets.length === 0 });
      return `released ${parse<Json[]>(answer["released"]).length}`;
    },
  }),
  agentTool({
    name: "list_claims",
    title: "What is claimed",
    description: "Canopy: what is claimed in this repository and by whom.",
    input: z.object({ mine: z.boolean().default(false) }),
    isReadOnly: true,
    handle: async (call: CoordinationCall, { mine }) => {
      const answer = await call.act({ type: "claims", mine });
      const lines = parse<Held[]>(answer["claims"]).map(
        (held) =>
          `- ${quoteLine(held.target.label)} (${held.mode}) by @${held.handle} (${held.state}) ${quoteLine(held.reason)}`,
      );
      return quoteOthers("Claimed", lines, "Nothing is claimed.");
    },
  }),
  agentTool({
    name: "send_message",
    title: "Write to other agents",
    description:
      'Canopy: sends a message to "@name", "all", "agent:KIND", "branch:NAME" or "holder:PATH". Kinds: info, question, status-broadcast, and request-yield, which asks a holder to give up what targets names.',
    input: z.object({
      to: z.string().min(1).max(500),
      body: z.string().max(8000).default(""),
      kind: z.enum(["info", "question", "ack", "request-yield", "status-broadcast"]).default("info"),
      reply_to: z.string().max(200).optional(),
      targets: z.array(z.string().min(1).max(4096)).max(100).default([]),
      answer_within_seconds: z.number().int().min(1).max(86_400).optional(),
    }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, input) => {
      const { to, body, kind, targets } = input;
      const action: Action = {
        type: "send",
        to,
        body,
        kind,
        targets,
        ...(input.reply_to === undefined ? {} : { replyTo: input.reply_to }),
        ...(input.answer_within_seconds === undefined
          ? {}
          : { deadlineMs: input.answer_within_seconds * 1000 }),
      };
      const answer = await call.act(action);
      const who = parse<Named[]>(answer["recipients"]).map(({ handle, state }) => `@${handle} (${state})`);
      return `${parse<string>(answer["messageId"])} sent to ${who.join(", ")}`;
    },
  }),
  agentTool({
    name: "read_inbox",
    title: "Read messages",
    description:
      "Canopy: the messages to you that you have not acknowledged; with all, those that you have too.",
    input: z.object({ all: z.boolean().default(false), limit: z.number().int().min(1).max(100).default(20) }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { all, limit }) => {
      const answer = await call.act({ type: "inbox", all, limit });
      const lines = parse<Mail[]>(answer["messages"]).map(
        (mail) =>
          `- ${mail.messageId} ${mail.kind} from ${quoteLine(mail.fromName)}: “${quoteLine(mail.body)}”`,
      );
      return quoteOthers("Messages", lines, "No messages.");
    },
  }),
  agentTool({
    name: "acknowledge",
    title: "Acknowledge messages",
    description:
      "Canopy: says that you have read messages, so that they are not shown to you again; all without ids.",
    input: z.object({ messages: z.array(z.string().min(1).max(200)).max(100).default([]) }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { messages }) => {
      const answer = await call.act({ type: "ack", messages });
      return `acknowledged ${parse<Json[]>(answer["acknowledged"]).length}`;
    },
  }),
  agentTool({
    name: "answer_yield",
    title: "Answer a request to yield",
    description:
      "Canopy: answers an agent that asked you to give up what you hold: accept hands it over now, after in some seconds, decline keeps it.",
    input: z.object({
      message: z.string().min(1).max(200),
      answer: z.enum(["accept", "decline", "after"]),
      after_seconds: z.number().int().min(1).max(86_400).optional(),
      note: z.string().max(500).default(""),
    }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { message, answer: word, after_seconds: seconds, note }) => {
      const after = seconds === undefined ? {} : { afterMs: seconds * 1000 };
      const answer = await call.act({ type: "yield", message, answer: word, note, ...after });
      return `${parse<string>(answer["state"])}, ${parse<number>(answer["given"])} claims given`;
    },
  }),
  agentTool({
    name: "wait_for",
    title: "Wait for others",
    description:
      "Canopy: waits until something is so: claim:PATH (nobody holds it), granted:TICKET, idle:@NAME, ended:@NAME, message, message:@NAME, reply:MESSAGE, file:PATH (somebody changed it), task:TASK=STATE, landed:CHANGE, branch:NAME>INTO. Blocks for up to 45 seconds; call it again with wait_id to go on waiting.",
    input: z.object({
      conditions: z.array(z.string().min(1).max(4096)).max(20).default([]),
      combine: z.enum(["any", "all"]).default("any"),
      wait_id: z.string().min(1).max(100).optional(),
      timeout_seconds: z.number().int().min(1).max(86_400).default(600),
      block_seconds: z.number().int().min(0).max(45).default(45),
    }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, input) => {
      const blockMs = Math.min(MAX_BLOCK_MS, input.block_seconds * 1000);
      const action: Action =
        input.wait_id === undefined
          ? {
              type: "wait",
              for: input.conditions,
              combine: input.combine,
              timeoutMs: input.timeout_seconds * 1000,
              blockMs,
            }
          : { type: "wait-on", waitId: input.wait_id, blockMs };
      return describeWait(await call.act(action));
    },
  }),
  agentTool({
    name: "update_status",
    title: "Say what you are doing",
    description: "Canopy: tells the other agents in a line what you are doing.",
    input: z.object({ text: z.string().min(1).max(500) }),
    isReadOnly: false,
    handle: async (call: CoordinationCall, { text }) => {
      await call.act({ type: "note", text });
      return "noted";
    },
  }),
];
