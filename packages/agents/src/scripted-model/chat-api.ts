import { findImages } from "./find-images.ts";
import type { AnswerBlock, ApiError, Frame, ModelAnswer, ModelApi, ModelRequest } from "./model-api.ts";
import { contentText, field, frame, listField, parameterNames, splitAnswer, textField } from "./model-api.ts";

const STOPS = {
  end: "stop",
  tool: "tool_calls",
  max_tokens: "length",
  refusal: "content_filter",
  content_filter: "content_filter",
} as const;
const SYSTEM_ROLES = new Set<unknown>(["system", "developer"]);

function parseRequest(body: unknown): ModelRequest {
  const messages = listField(body, "messages");
  return {
    model: textField(body, "model"),
    isStreaming: field(body, "stream") === true,
    tools: listField(body, "tools").map((tool) => {
      const definition = field(tool, "function");
      return {
        name: textField(definition, "name"),
        namespace: null,
        parameters: parameterNames(field(definition, "parameters")),
        isCustom: false,
      };
    }),
    turns: messages
      .filter((message) => ["user", "assistant"].includes(textField(message, "role")))
      .map((message) => ({
        role: field(message, "role") === "assistant" ? ("assistant" as const) : ("user" as const),
        text: contentText(field(message, "content")),
      })),
    system: messages
      .filter((message) => SYSTEM_ROLES.has(field(message, "role")))
      .map((message) => contentText(field(message, "content")))
      .join("\n"),
    images: findImages(messages),
    answerSchema: field(field(field(body, "response_format"), "json_schema"), "schema") ?? null,
  };
}

function toCall(block: AnswerBlock, index: number): unknown {
  if (block.type !== "tool") return null;
  return {
    index,
    id: block.callId,
    type: "function",
    function: { name: block.name, arguments: JSON.stringify(block.args) },
  };
}

function usageOf(answer: ModelAnswer): unknown {
  const { inputTokens, outputTokens } = answer.usage;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

function* blockDeltas(block: AnswerBlock, toolIndex: number): Generator<object> {
  if (block.type === "text") {
    for (const content of splitAnswer(block.text)) yield { content };
  } else if (block.type === "thinking") {
    for (const piece of splitAnswer(block.text)) yield { reasoning_content: piece };
  } else {
    const opening = { name: block.name, arguments: "" };
    yield { tool_calls: [{ index: toolIndex, id: block.callId, type: "function", function: opening }] };
    for (const piece of splitAnswer(JSON.stringify(block.args)))
      yield { tool_calls: [{ index: toolIndex, function: { arguments: piece } }] };
  }
}

function* renderFrames(answer: ModelAnswer): Generator<Frame> {
  const base = { id: `chatcmpl-${answer.id}`, object: "chat.completion.chunk", model: answer.model };
  const tell = (delta: object, finish: string | null = null, isDelta = true): Frame =>
    frame(null, { ...base, created: 0, choices: [{ index: 0, delta, finish_reason: finish }] }, isDelta);
  yield tell({ role: "assistant", content: "" }, null, false);
  let toolCount = 0;
  for (const block of answer.blocks) {
    for (const delta of blockDeltas(block, toolCount)) yield tell(delta);
    if (block.type === "tool") toolCount += 1;
  }
  yield tell({}, STOPS[answer.stop], false);
  yield frame(null, { ...base, created: 0, choices: [], usage: usageOf(answer) });
  yield { event: null, data: "[DONE]", isDelta: false };
}

function textOf(answer: ModelAnswer, type: "text" | "thinking"): string {
  return answer.blocks.map((block) => (block.type === type ? block.text : "")).join("");
}

/** OpenAI's chat completions API, which many other providers speak too. */
export const CHAT_API: ModelApi = {
  name: "chat",
  parseRequest,
  renderFrames,
  renderWhole: (answer: ModelAnswer) => {
    const calls = answer.blocks.filter((block) => block.type === "tool").map(toCall);
    return {
      id: `chatcmpl-${answer.id}`,
      object: "chat.completion",
      created: 0,
      model: answer.model,
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: textOf(answer, "text"),
            ...(calls.length === 0 ? {} : { tool_calls: calls }),
          },
          finish_reason: STOPS[answer.stop],
        },
      ],
      usage: usageOf(answer),
    };
  },
  renderError: (error: ApiError) => ({
    error: {
      message: error.message,
      type: error.type ?? (error.status === 429 ? "rate_limit_exceeded" : "invalid_request_error"),
      code: error.type ?? (error.status === 429 ? "rate_limit_exceeded" : null),
      param: null,
    },
  }),
};
