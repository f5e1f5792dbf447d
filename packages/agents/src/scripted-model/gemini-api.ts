import { findImages } from "./find-images.ts";
import type { AnswerBlock, ApiError, Frame, ModelAnswer, ModelApi, ModelRequest } from "./model-api.ts";
import { field, frame, listField, parameterNames, splitAnswer, textField } from "./model-api.ts";

const STOPS = {
  end: "STOP",
  tool: "STOP",
  max_tokens: "MAX_TOKENS",
  refusal: "SAFETY",
  content_filter: "PROHIBITED_CONTENT",
} as const;

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
};

function partsText(content: unknown): string {
  return listField(content, "parts")
    .map((part) => textField(part, "text"))
    .join("\n");
}

function parseRequest(body: unknown, url: URL): ModelRequest {
  const declarations = listField(body, "tools").flatMap((tool) => listField(tool, "functionDeclarations"));
  const config = field(body, "generationConfig");
  return {
    model: /models\/([^:/]+)/.exec(url.pathname)?.[1] ?? "",
    isStreaming: url.pathname.includes(":streamGenerateContent"),
    tools: declarations.map((tool) => ({
      name: textField(tool, "name"),
      namespace: null,
      parameters: parameterNames(field(tool, "parametersJsonSchema") ?? field(tool, "parameters")),
      isCustom: false,
    })),
    turns: listField(body, "contents").map((content) => ({
      role: field(content, "role") === "model" ? ("assistant" as const) : ("user" as const),
      text: partsText(content),
    })),
    system: partsText(field(body, "systemInstruction")),
    images: findImages(listField(body, "contents")),
    answerSchema: field(config, "responseJsonSchema") ?? field(config, "responseSchema") ?? null,
  };
}

function toPart(block: AnswerBlock): unknown {
  if (block.type === "text") return { text: block.text };
  if (block.type === "thinking") return { text: block.text, thought: true };
  return { functionCall: { id: block.callId, name: block.name, args: block.args } };
}

function* partsOf(block: AnswerBlock): Generator {
  if (block.type === "tool") yield toPart(block);
  else for (const text of splitAnswer(block.text)) yield toPart({ ...block, text });
}

function candidate(answer: ModelAnswer, parts: readonly unknown[], isLast: boolean): object {
  const { inputTokens, outputTokens } = answer.usage;
  return {
    candidates: [
      {
        content: { role: "model", parts },
        index: 0,
        ...(isLast ? { finishReason: STOPS[answer.stop] } : {}),
      },
    ],
    usageMetadata: {
      promptTokenCount: inputTokens,
      candidatesTokenCount: outputTokens,
      totalTokenCount: inputTokens + outputTokens,
    },
    modelVersion: answer.model,
    responseId: answer.id,
  };
}

function* renderFrames(answer: ModelAnswer): Generator<Frame> {
  const parts = answer.blocks.flatMap((block) => [...partsOf(block)]);
  for (const [index, part] of parts.entries())
    yield frame(null, candidate(answer, [part], index === parts.length - 1), true);
  if (parts.length === 0) yield frame(null, candidate(answer, [{ text: "" }], true));
}

/** Google's Gemini API. */
export const GEMINI_API: ModelApi = {
  name: "gemini",
  parseRequest,
  renderFrames,
  renderWhole: (answer: ModelAnswer) => candidate(answer, answer.blocks.map(toPart), true),
  renderError: (error: ApiError) => ({
    error: {
      code: error.status,
      message: error.message,
      status: error.type ?? STATUS_NAMES[error.status] ?? "UNKNOWN",
    },
  }),
};
