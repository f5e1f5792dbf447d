import type { AgentCapabilities } from "./agent-driver.ts";
import type { AcpAuthentication } from "./acp/acp-handshake.ts";

/** An agent that Canopy knows how to launch. It is started only when a person names it. */
export interface BuiltinAgent {
  readonly title: string;
  /** Which driver speaks with it. Default: acp. */
  readonly driver?: "acp" | "claude" | "codex" | "opencode";
  readonly command: readonly [string, ...string[]];
  /** Variables that usually carry its key. Never passed on unless a person names them. */
  readonly credentialNames: readonly string[];
  readonly authentication?: AcpAuthentication;
  /** ACP: how it is told to use the login that it finds in its HOME. */
  readonly loginMethodId?: string;
  /** What is known of it better than it says itself. */
  readonly measured?: Partial<AgentCapabilities>;
}

/** Gemini 0.61 over ACP: it finds no session again, tells no prices, and ends a turn that was stopped for safety like any other. */
const GEMINI_MEASURED: Partial<AgentCapabilities> = {
  resume: "emulated",
  fork: "emulated",
  cost: false,
  refusal: false,
};

/**
 * Launch commands by name. Measured here: claude, codex, gemini, opencode; the others speak ACP and are from the agents' own
 * documents and the public ACP registry. Anything here can be overridden in the configuration.
 */
export const BUILTIN_AGENTS: Readonly<Record<string, BuiltinAgent>> = {
  auggie: { title: "Augment", command: ["auggie", "--acp"], credentialNames: ["AUGMENT_SESSION_AUTH"] },
  claude: {
    title: "Claude Code",
    driver: "claude",
    command: ["claude"],
    // The second is what `claude setup-token` prints, for a subscription.
    credentialNames: ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
  },
  cline: { title: "Cline", command: ["cline", "--acp"], credentialNames: [] },
  codebuddy: { title: "CodeBuddy", command: ["codebuddy", "--acp"], credentialNames: [] },
  codex: {
    title: "Codex",
    driver: "codex",
    command: ["codex"],
    credentialNames: ["OPENAI_API_KEY", "CODEX_API_KEY"],
  },
  copilot: { title: "GitHub Copilot", command: ["copilot", "--acp"], credentialNames: ["GITHUB_TOKEN"] },
  cursor: { title: "Cursor", command: ["cursor-agent", "acp"], credentialNames: ["CURSOR_API_KEY"] },
  gemini: {
    title: "Gemini",
    command: ["gemini", "--acp"],
    credentialNames: ["GEMINI_API_KEY"],
    authentication: { methodId: "gemini-api-key", variable: "GEMINI_API_KEY" },
    loginMethodId: "oauth-personal",
    measured: GEMINI_MEASURED,
  },
  goose: { title: "Goose", command: ["goose", "acp"], credentialNames: [] },
  junie: { title: "Junie", command: ["junie", "--acp=true"], credentialNames: [] },
  kilocode: { title: "Kilo Code", command: ["kilocode", "acp"], credentialNames: [] },
  kimi: { title: "Kimi", command: ["kimi", "acp"], credentialNames: ["KIMI_API_KEY"] },
  kiro: { title: "Kiro", command: ["kiro", "acp"], credentialNames: [] },
  opencode: {
    title: "OpenCode",
    driver: "opencode",
    command: ["opencode"],
    credentialNames: ["OPENCODE_API_KEY"],
  },
  qoder: { title: "Qoder", command: ["qoder", "--acp"], credentialNames: [] },
  qwen: { title: "Qwen Code", command: ["qwen", "--acp"], credentialNames: ["DASHSCOPE_API_KEY"] },
};
