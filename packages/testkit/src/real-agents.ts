import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import {
  BUILTIN_AGENTS,
  createAcpDriver,
  createClaudeDriver,
  createCodexDriver,
  createOpenCodeDriver,
} from "@canopy/agents";
import type { AgentDriver } from "@canopy/agents";

/** The agents that tests run for real. */
export type RealAgentName = "claude" | "codex" | "opencode" | "gemini";

/** One agent's package in the npm registry, pinned, and the file in it that is run. */
export interface RealAgentPackage {
  readonly name: RealAgentName;
  /** As npm takes it. */
  readonly specifier: string;
  readonly version: string;
  /** Below `node_modules`. */
  readonly program: string;
}

/** The pinned packages; null where there is none for this machine. */
export const REAL_AGENTS: readonly RealAgentPackage[] = [
  {
    name: "claude",
    specifier: "@anthropic-ai/claude-code-linux-x64@2.1.328",
    version: "2.1.328",
    program: "@anthropic-ai/claude-code-linux-x64/claude",
  },
  {
    name: "codex",
    specifier: "@openai/codex@0.169.0-linux-x64",
    version: "0.169.0",
    program: "@openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex",
  },
  {
    name: "opencode",
    specifier: "opencode-linux-x64@1.18.33",
    version: "1.18.33",
    program: "opencode-linux-x64/bin/opencode",
  },
  {
    name: "gemini",
    specifier: "@google/gemini-cli@0.61.0",
    version: "0.61.0",
    program: "@google/gemini-cli/bundle/gemini.js",
  },
];

/** Where the agents are installed: outside the repository, kept between runs. `CANOPY_AGENT_CACHE` moves it. */
export function realAgentCache(): string {
  const named = process.env["CANOPY_AGENT_CACHE"];
  if (named !== undefined && named !== "") return named;
  const base = process.env["XDG_CACHE_HOME"];
  return path.join(
    base === undefined || base === "" ? path.join(homedir(), ".cache") : base,
    "canopy",
    "agents",
  );
}

/** The folder of one pinned agent in the cache. */
export function realAgentFolder(agent: RealAgentPackage): string {
  return path.join(realAgentCache(), `${agent.name}-${agent.version}`);
}

/** The program of an installed agent, null when it is not there. */
export function findRealAgent(name: RealAgentName): string | null {
  const agent = REAL_AGENTS.find((candidate) => candidate.name === name);
  if (agent === undefined || process.platform !== "linux" || process.arch !== "x64") return null;
  const program = path.join(realAgentFolder(agent), "node_modules", agent.program);
  return existsSync(program) ? program : null;
}

/** How to launch a real agent against a scripted model, and with what environment. */
export interface RealAgentLaunch {
  readonly driver: "claude" | "codex" | "opencode" | "acp";
  readonly command: readonly [string, ...string[]];
  /** Everything but PATH, HOME and TMPDIR. */
  readonly env: Readonly<Record<string, string>>;
  readonly model: string | null;
}

function codexArguments(modelUrl: string): string[] {
  const provider = `{name="Local",base_url="${modelUrl}/v1",wire_api="responses",env_key="LOCAL_KEY",stream_max_retries=1,request_max_retries=0}`;
  return [
    'model_provider="local"',
    `model_providers.local=${provider}`,
    "check_for_update_on_startup=false",
    "analytics.enabled=false",
    "features.plugins=false",
    "features.apps=false",
  ].flatMap((setting) => ["-c", setting]);
}

function openCodeConfig(modelUrl: string): string {
  const limit = { context: 200_000, output: 8192 };
  const modalities = { input: ["text", "image"], output: ["text"] };
  return JSON.stringify({
    provider: {
      local: {
        npm: "@ai-sdk/openai-compatible",
        name: "Local",
        options: { baseURL: `${modelUrl}/v1`, apiKey: "sk-local" },
        models: {
          "scripted-1": { name: "Scripted", tool_call: true, limit, attachment: true, modalities },
          "blind-1": { name: "Without eyes", tool_call: true, limit },
        },
      },
    },
    model: "local/scripted-1",
    small_model: "local/scripted-1",
    enabled_providers: ["local"],
    share: "disabled",
    autoupdate: false,
    permission: { edit: "ask", bash: "ask", webfetch: "deny" },
  });
}

/**
 * OpenCode reads a list of all models of the world when it starts, for a second and 200 MB. The scripted one is in its configuration. The
 * file lies where sandboxes of tests show the agents.
 */
function openCodeModels(): string {
  const file = path.join(realAgentCache(), "no-models.json");
  mkdirSync(realAgentCache(), { recursive: true });
  if (!existsSync(file)) writeFileSync(file, "{}");
  return file;
}

/** How a real agent is launched; every key is a dummy and every address is the scripted model's. */
export function launchRealAgent(name: RealAgentName, program: string, modelUrl: string): RealAgentLaunch {
  if (name === "claude") {
    const env = {
      ANTHROPIC_BASE_URL: modelUrl,
      ANTHROPIC_API_KEY: "sk-local",
      CLAUDE_CODE_MAX_RETRIES: "0",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    };
    return { driver: "claude", command: [program], env, model: null };
  }
  if (name === "codex") {
    const command = [program, ...codexArguments(modelUrl)] as const;
    return { driver: "codex", command, env: { LOCAL_KEY: "sk-local" }, model: "scripted-1" };
  }
  if (name === "opencode") {
    const env = {
      OPENCODE_CONFIG_CONTENT: openCodeConfig(modelUrl),
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_MODELS_PATH: openCodeModels(),
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      npm_config_offline: "true",
    };
    return { driver: "opencode", command: [program], env, model: null };
  }
  const env = { GEMINI_API_KEY: "sk-local", GOOGLE_GEMINI_BASE_URL: modelUrl };
  const command = [
    process.execPath,
    program,
    "--acp",
    "-m",
    "gemini-3.1-pro-preview",
    "--skip-trust",
  ] as const;
  return { driver: "acp", command, env, model: null };
}

/** The settings file that gemini needs in its HOME so as to send nothing. */
export const GEMINI_SETTINGS = JSON.stringify({
  security: { auth: { selectedType: "gemini-api-key" } },
  privacy: { usageStatisticsEnabled: false },
  general: { enableAutoUpdate: false },
});

/** The driver of a launch. */
export function createRealAgentDriver(name: RealAgentName, launch: RealAgentLaunch): AgentDriver {
  const [program, ...args] = launch.command;
  if (launch.driver === "claude") return createClaudeDriver({ name, command: program, args });
  if (launch.driver === "codex") return createCodexDriver({ name, command: program, args });
  if (launch.driver === "opencode") return createOpenCodeDriver({ name, command: program, args });
  return createAcpDriver({
    name,
    command: launch.command,
    authentication: BUILTIN_AGENTS[name]?.authentication ?? null,
    measured: BUILTIN_AGENTS[name]?.measured ?? {},
  });
}
