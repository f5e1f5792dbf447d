import type { ConversationTurn, ModelStep } from "./model-script.ts";

/** A tool that a request offers to the model. `namespace` is how the Responses API groups tools of one server. */
export interface OfferedTool {
  readonly name: string;
  readonly namespace: string | null;
  /** Names of its parameters. */
  readonly parameters: readonly string[];
  /** True for tools that take free text instead of arguments. */
  readonly isCustom: boolean;
}

/** A picture that an agent sent to the model. */
export interface RequestImage {
  readonly mediaType: string;
  readonly base64: string;
}

/** What a request to a model asks, the same for every API. */
export interface ModelRequest {
  readonly model: string;
  readonly isStreaming: boolean;
  readonly tools: readonly OfferedTool[];
  readonly turns: readonly ConversationTurn[];
  /** Everything that is not part of the conversation: system prompts and developer messages. */
  readonly system: string;
  /** Pictures in the conversation, oldest first. */
  readonly images: readonly RequestImage[];
  /** A JSON schema that the answer must fit, null for free text. */
  readonly answerSchema: unknown;
}

/** A piece of an answer. */
export type AnswerBlock =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string }
  | {
      readonly type: "tool";
      readonly callId: string;
      readonly name: string;
      readonly namespace: string | null;
      readonly args: Readonly<Record<string, unknown>>;
      /** Free text for a tool that takes no arguments. */
      readonly input: string | null;
    };

/** What the model answers. */
export interface ModelAnswer {
  readonly id: string;
  readonly model: string;
  readonly blocks: readonly AnswerBlock[];
  readonly stop: "end" | "tool" | "max_tokens" | "refusal" | "content_filter";
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
}

/** One server-sent event. `isDelta` ones are what `chunkMs` spreads out. */
export interface Frame {
  readonly event: string | null;
  readonly data: string;
  readonly isDelta: boolean;
}

/** An error as the API words it. */
export type ApiError = Required<Pick<NonNullable<ModelStep["error"]>, "status" | "message">> & {
  readonly type: string | null;
};

/** One of the model APIs: how it asks and how it is answered. */
export interface ModelApi {
  readonly name: "anthropic" | "chat" | "responses" | "gemini";
  readonly parseRequest: (body: unknown, url: URL) => ModelRequest;
  readonly renderFrames: (answer: ModelAnswer) => Iterable<Frame>;
  readonly renderWhole: (answer: ModelAnswer) => unknown;
  readonly renderError: (error: ApiError) => unknown;
}

const PIECE_CHARS = 24;

/** Cuts a text into the pieces that it is streamed in. Long texts come in larger pieces. */
export function splitAnswer(text: string): string[] {
  const size = Math.max(PIECE_CHARS, Math.ceil(text.length / 2000));
  const pieces: string[] = [];
  const chars = text.length > 100_000 ? text : Array.from(text);
  for (let at = 0; at < chars.length; at += size) {
    const piece = chars.slice(at, at + size);
    pieces.push(typeof piece === "string" ? piece : piece.join(""));
  }
  return pieces;
}

/** A server-sent event with a JSON value. */
export function frame(event: string | null, value: unknown, isDelta = false): Frame {
  return { event, data: JSON.stringify(value), isDelta };
}

/** Reads a field of a value that may be anything. */
export function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** A field that is a list, else nothing. */
export function listField(value: unknown, name: string): readonly unknown[] {
  const list: unknown = field(value, name);
  return Array.isArray(list) ? list : [];
}

/** A field that is a text, else the empty text. */
export function textField(value: unknown, name: string): string {
  const text = field(value, name);
  return typeof text === "string" ? text : "";
}

/** All texts of a message's content, which is a text or a list of parts. */
export function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => textField(part, "text")).join("\n");
}

/** Names of the parameters in a JSON schema. */
export function parameterNames(schema: unknown): string[] {
  const properties = field(schema, "properties");
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}
