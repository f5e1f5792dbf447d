import { findImages } from "./find-images.ts";
import type { AnswerBlock, ApiError, Frame, ModelAnswer, ModelApi, ModelRequest } from "./model-api.ts";
import { contentText, field, frame, listField, parameterNames, splitAnswer, textField } from "./model-api.ts";

const STOPS = {
  end: "end_turn",
  tool: "tool_use",
  max_tokens: "max_tokens",
  refusal: "refusal",
  content_filter: "refusal",
} as const;

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

function parseRequest(body: unknown): ModelRequest {
  const messages = listField(body, "messages");
  const turns = messages
    .filter((message) => field(message, "role") !== "system")
    .map((message) => ({
      role: field(message, "role") === "assistant" ? ("assistant" as const) : ("user" as const),
      text: contentText(field(message, "content")),
    }));
  const extra = messages.filter((message) => field(message, "role") === "system");
  return {
    model: textField(body, "model"),
    isStreaming: field(body, "stream") === true,
    tools: listField(body, "tools").map((tool) => ({
      name: textField(tool, "name"),
      namespace: null,
      parameters: parameterNames(field(tool, "input_schema")),
      isCustom: false,
    })),
    turns,
    system: [
      contentText(field(body, "system")),
      ...extra.map((message) => contentText(field(message, "content"))),
    ].join("\n"),
    images: findImages(messages),
    answerSchema: field(field(field(body, "output_config"), "format"), "schema") ?? null,
  };
}

function toBlock(block: AnswerBlock): unknown {
  if (block.type === "text") return { type: "text", text: block.text };
  if (block.type === "thinking") return { type: "thinking", thinking: block.text, signature: "c2ln" };
  return { type: "tool_use", id: block.callId, name: block.name, input: block.args };
}

function emptyBlock(block: AnswerBlock): unknown {
  if (block.type === "text") return { type: "text", text: "" };
  if (block.type === "thinking") return { type: "thinking", thinking: "", signature: "" };
  return { type: "tool_use", id: block.callId, name: block.name, input: {} };
}

function* blockDeltas(block: AnswerBlock): Generator {
  if (block.type === "text") {
    for (const text of splitAnswer(block.text)) yield { type: "text_delta", text };
  } else if (block.type === "thinking") {
    for (const thinking of splitAnswer(block.text)) yield { type: "thinking_delta", thinking };
    yield { type: "signature_delta", signature: "c2ln" };
  } else {
    for (const piece of splitAnswer(JSON.stringify(block.args)))
      yield { type: "input_json_delta", partial_json: piece };
  }
}

function startMessage(answer: ModelAnswer): Record<string, unknown> {
  return {
    id: `msg_${answer.id}`,
    type: "message",
    role: "assistant",
    model: answer.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: answer.usage.inputTokens,
      output_tokens: 1,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  };
}

function* renderFrames(answer: ModelAnswer): Generator<Frame> {
  const tell = (type: string, rest: object, isDelta = false): Frame =>
    frame(type, { type, ...rest }, isDelta);
  yield tell("message_start", { message: startMessage(answer) });
  yield tell("ping", {});
  for (const [index, block] of answer.blocks.entries()) {
    yield tell("content_block_start", { index, content_block: emptyBlock(block) });
    for (const delta of blockDeltas(block)) yield tell("content_block_delta", { index, delta }, true);
    yield tell("content_block_stop", { index });
  }
  yield tell("message_delta", {
    delta: { stop_reason: STOPS[answer.stop], stop_sequence: null },
    usage: { output_tokens: answer.usage.outputTokens },
  });
  yield tell("message_stop", {});
}

/** Anthropic's Messages API. */
export const ANTHROPIC_API: ModelApi = {
  name: "anthropic",
  parseRequest,
  renderFrames,
  renderWhole: (answer: ModelAnswer) => ({
    ...startMessage(answer),
    content: answer.blocks.map(toBlock),
    stop_reason: STOPS[answer.stop],
    usage: { input_tokens: answer.usage.inputTokens, output_tokens: answer.usage.outputTokens },
  }),
  renderError: (error: ApiError) => ({
    type: "error",
    error: { type: error.type ?? ERROR_TYPES[error.status] ?? "api_error", message: error.message },
  }),
};
