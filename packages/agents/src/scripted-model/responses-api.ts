import { findImages } from "./find-images.ts";
import type {
  AnswerBlock,
  ApiError,
  Frame,
  ModelAnswer,
  ModelApi,
  ModelRequest,
  OfferedTool,
} from "./model-api.ts";
import { contentText, field, frame, listField, parameterNames, splitAnswer, textField } from "./model-api.ts";
import type { ConversationTurn } from "./model-script.ts";

const ASSISTANT_ITEMS = new Set(["function_call", "custom_tool_call", "reasoning", "local_shell_call"]);

function listTools(tools: readonly unknown[], namespace: string | null = null): OfferedTool[] {
  return tools.flatMap((tool) => {
    if (field(tool, "type") === "namespace")
      return listTools(listField(tool, "tools"), textField(tool, "name"));
    return {
      name: textField(tool, "name") || textField(tool, "type"),
      namespace,
      parameters: parameterNames(field(tool, "parameters")),
      isCustom: field(tool, "type") === "custom",
    };
  });
}

/** Several items in a row make one assistant turn: a thought, a message and a call all come from one answer. */
function toTurns(items: readonly unknown[]): ConversationTurn[] {
  const turns: ConversationTurn[] = [];
  let isInAssistant = false;
  for (const item of items) {
    const type = textField(item, "type");
    const role = textField(item, "role");
    const isAssistant = role === "assistant" || ASSISTANT_ITEMS.has(type);
    if (isAssistant && !isInAssistant) turns.push({ role: "assistant", text: "" });
    isInAssistant = isAssistant;
    if (role === "user") turns.push({ role: "user", text: contentText(field(item, "content")) });
  }
  return turns;
}

function parseRequest(body: unknown): ModelRequest {
  const input = field(body, "input");
  const items = typeof input === "string" ? [{ role: "user", content: input }] : listField(body, "input");
  const extraTools = items
    .filter((item) => field(item, "type") === "additional_tools")
    .flatMap((item) => listField(item, "tools"));
  const developer = items.filter((item) => ["developer", "system"].includes(textField(item, "role")));
  return {
    model: textField(body, "model"),
    isStreaming: field(body, "stream") === true,
    tools: listTools([...listField(body, "tools"), ...extraTools]),
    turns: toTurns(items),
    system: [
      textField(body, "instructions"),
      ...developer.map((item) => contentText(field(item, "content"))),
    ].join("\n"),
    images: findImages(items),
    answerSchema: field(field(field(body, "text"), "format"), "schema") ?? null,
  };
}

/** A refusal is a part of a message of its own kind. */
function textPart(text: string, isRefusal: boolean): object {
  return isRefusal ? { type: "refusal", refusal: text } : { type: "output_text", text, annotations: [] };
}

function itemOf(block: AnswerBlock, id: string, isRefusal: boolean): Record<string, unknown> {
  if (block.type === "text") {
    const part = textPart(block.text, isRefusal);
    return { type: "message", id: `msg_${id}`, role: "assistant", status: "completed", content: [part] };
  }
  if (block.type === "thinking")
    return { type: "reasoning", id: `rs_${id}`, summary: [{ type: "summary_text", text: block.text }] };
  if (block.input !== null) {
    const { callId, name, input } = block;
    return { type: "custom_tool_call", id: `ctc_${id}`, call_id: callId, name, input, status: "completed" };
  }
  return {
    type: "function_call",
    id: `fc_${id}`,
    call_id: block.callId,
    name: block.name,
    ...(block.namespace === null ? {} : { namespace: block.namespace }),
    arguments: JSON.stringify(block.args),
    status: "completed",
  };
}

interface Teller {
  readonly tell: (type: string, rest: object, isDelta?: boolean) => Frame;
  readonly index: number;
  readonly itemId: string;
  readonly isRefusal: boolean;
}

function* textFrames({ tell, index, itemId, isRefusal }: Teller, text: string): Generator<Frame> {
  const at = { item_id: itemId, output_index: index, content_index: 0 };
  const name = isRefusal ? "refusal" : "output_text";
  yield tell("response.content_part.added", { ...at, part: textPart("", isRefusal) });
  for (const delta of splitAnswer(text)) yield tell(`response.${name}.delta`, { ...at, delta }, true);
  yield tell(`response.${name}.done`, { ...at, [isRefusal ? "refusal" : "text"]: text });
  yield tell("response.content_part.done", { ...at, part: textPart(text, isRefusal) });
}

function* thoughtFrames({ tell, index, itemId }: Teller, text: string): Generator<Frame> {
  const at = { item_id: itemId, output_index: index, summary_index: 0 };
  const part = (value: string): object => ({ type: "summary_text", text: value });
  yield tell("response.reasoning_summary_part.added", { ...at, part: part("") });
  for (const delta of splitAnswer(text))
    yield tell("response.reasoning_summary_text.delta", { ...at, delta }, true);
  yield tell("response.reasoning_summary_text.done", { ...at, text });
  yield tell("response.reasoning_summary_part.done", { ...at, part: part(text) });
}

function* callFrames(teller: Teller, name: string, key: string, text: string): Generator<Frame> {
  const at = { item_id: teller.itemId, output_index: teller.index };
  for (const delta of splitAnswer(text)) yield teller.tell(`response.${name}.delta`, { ...at, delta }, true);
  yield teller.tell(`response.${name}.done`, { ...at, [key]: text });
}

function blockFrames(teller: Teller, block: AnswerBlock): Generator<Frame> {
  if (block.type === "text") return textFrames(teller, block.text);
  if (block.type === "thinking") return thoughtFrames(teller, block.text);
  if (block.input !== null) return callFrames(teller, "custom_tool_call_input", "input", block.input);
  return callFrames(teller, "function_call_arguments", "arguments", JSON.stringify(block.args));
}

const INCOMPLETE: Readonly<Partial<Record<ModelAnswer["stop"], string>>> = {
  max_tokens: "max_output_tokens",
  content_filter: "content_filter",
};

function responseOf(answer: ModelAnswer, output: readonly unknown[], status: string): object {
  const { inputTokens, outputTokens } = answer.usage;
  return {
    id: `resp_${answer.id}`,
    object: "response",
    created_at: 0,
    model: answer.model,
    status,
    output,
    ...(status === "incomplete" ? { incomplete_details: { reason: INCOMPLETE[answer.stop] } } : {}),
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    },
  };
}

function finalStatus(answer: ModelAnswer): "completed" | "incomplete" {
  return answer.stop in INCOMPLETE ? "incomplete" : "completed";
}

function* renderFrames(answer: ModelAnswer): Generator<Frame> {
  let sequence = 0;
  const tell = (type: string, rest: object, isDelta = false): Frame => {
    sequence += 1;
    return frame(type, { type, sequence_number: sequence - 1, ...rest }, isDelta);
  };
  yield tell("response.created", { response: responseOf(answer, [], "in_progress") });
  yield tell("response.in_progress", { response: responseOf(answer, [], "in_progress") });
  const items: unknown[] = [];
  for (const [index, block] of answer.blocks.entries()) {
    const isRefusal = answer.stop === "refusal";
    const item = itemOf(block, `${answer.id}${index}`, isRefusal);
    const itemId = textField(item, "id");
    const emptied = { ...item, status: "in_progress", ...emptyFields(block) };
    yield tell("response.output_item.added", { output_index: index, item: emptied });
    yield* blockFrames({ tell, index, itemId, isRefusal }, block);
    yield tell("response.output_item.done", { output_index: index, item });
    items.push(item);
  }
  const status = finalStatus(answer);
  yield tell(`response.${status}`, { response: responseOf(answer, items, status) });
}

function emptyFields(block: AnswerBlock): object {
  if (block.type === "text") return { content: [] };
  if (block.type === "thinking") return { summary: [] };
  return block.input === null ? { arguments: "" } : { input: "" };
}

/** OpenAI's Responses API. */
export const RESPONSES_API: ModelApi = {
  name: "responses",
  parseRequest,
  renderFrames,
  renderWhole: (answer: ModelAnswer) =>
    responseOf(
      answer,
      answer.blocks.map((block, index) => itemOf(block, `${answer.id}${index}`, answer.stop === "refusal")),
      finalStatus(answer),
    ),
  renderError: (error: ApiError) => ({
    error: {
      message: error.message,
      type: error.type ?? "invalid_request_error",
      code: error.type ?? (error.status === 429 ? "rate_limit_exceeded" : null),
      param: null,
    },
  }),
};
