import { randomUUID } from "node:crypto";
import type { AnswerBlock, ModelAnswer, ModelRequest } from "./model-api.ts";
import type { ModelStep } from "./model-script.ts";
import { smallestValue } from "./smallest-value.ts";
import { mapToolCall } from "./tool-intents.ts";

const CHARS_PER_TOKEN = 4;

function createId(): string {
  return randomUUID().replaceAll("-", "").slice(0, 24);
}

function toolBlock(
  request: ModelRequest,
  tool: string,
  args: Readonly<Record<string, unknown>>,
): AnswerBlock {
  return { type: "tool", callId: `call_${createId()}`, ...mapToolCall(request.tools, tool, args) };
}

function blocksOf(request: ModelRequest, step: ModelStep): AnswerBlock[] {
  const blocks: AnswerBlock[] = [];
  if (step.thinking !== undefined) blocks.push({ type: "thinking", text: step.thinking });
  if (step.text !== undefined) blocks.push({ type: "text", text: step.text.repeat(step.repeat ?? 1) });
  if (step.tool !== undefined) blocks.push(toolBlock(request, step.tool, step.args ?? {}));
  for (const { tool, args } of step.tools ?? []) blocks.push(toolBlock(request, tool, args));
  return blocks;
}

function countTokens(request: ModelRequest, blocks: readonly AnswerBlock[]): ModelAnswer["usage"] {
  const asked = request.turns.reduce((sum, turn) => sum + turn.text.length, request.system.length);
  const answered = blocks.reduce((sum, block) => sum + ("text" in block ? block.text.length : 20), 0);
  const toTokens = (chars: number): number => Math.max(1, Math.ceil(chars / CHARS_PER_TOKEN));
  return { inputTokens: toTokens(asked), outputTokens: toTokens(answered) };
}

/** The model's answer to a request that plays a step. */
export function createStepAnswer(request: ModelRequest, step: ModelStep): ModelAnswer {
  const blocks = blocksOf(request, step);
  const hasTool = blocks.some((block) => block.type === "tool");
  return {
    id: createId(),
    model: request.model,
    blocks,
    stop: step.stop ?? (hasTool ? "tool" : "end"),
    usage: countTokens(request, blocks),
  };
}

/** The answer to a request that offers no tools: titles, routers and the like. They never use up a step. */
export function createSideAnswer(request: ModelRequest): ModelAnswer {
  const text =
    request.answerSchema === null ? "Scripted" : JSON.stringify(smallestValue(request.answerSchema));
  return createStepAnswer(request, { text });
}
