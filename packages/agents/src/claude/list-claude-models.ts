import type { AgentModels } from "../agent-driver.ts";
import { initializeAnswerSchema } from "./claude-schema.ts";

/** Whole names of a provider's models, which Claude Code takes beside the short ones that it lists. */
const WHOLE_NAMES = ["claude-", "anthropic.", "us.anthropic.", "eu.anthropic.", "apac.anthropic.", "arn:"];
const OWN_ADDRESS = "https://api.anthropic.com";

/** Another server than Anthropic's own may have models of any name. */
function isElsewhere(env: Readonly<Record<string, string>>): boolean {
  const address = env["ANTHROPIC_BASE_URL"];
  if (address !== undefined && address !== "" && !address.startsWith(OWN_ADDRESS)) return true;
  return ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"].some((name) => (env[name] ?? "") !== "");
}

/** The models in an answer to `initialize`: short names, and what they stand for at the moment. */
export function listClaudeModels(answer: unknown, env: Readonly<Record<string, string>>): AgentModels | null {
  const parsed = initializeAnswerSchema.safeParse(answer);
  if (!parsed.success || parsed.data.models.length === 0) return null;
  return {
    models: parsed.data.models.map(({ value, displayName, resolvedModel }) => ({
      id: value,
      name: [displayName ?? value, ...(resolvedModel === undefined ? [] : [`(${resolvedModel})`])].join(" "),
      isDefault: value === "default",
    })),
    alsoTakes: isElsewhere(env) ? [""] : WHOLE_NAMES,
  };
}
