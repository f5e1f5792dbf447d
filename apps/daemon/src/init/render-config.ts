import type { Detection } from "./detect-project.ts";
import type { InitAnswers } from "./init-answers.ts";

const HEAD = `# Canopy's configuration for this repository. Every key may be left out; the values shown are the defaults.
# Unknown keys are errors. All keys: docs/configuration.md in Canopy's repository.
`;

const RUN = `
[run]
# concurrency = 4
# agent = "claude"             # a name below, a built-in one, or "command:..." / "acp:..."
# max_retries = 3              # 0 means no retries
# timeout = "30m"              # longest one attempt may take

[rules]
# exclude_types = ["epic"]
# exclude_labels = ["needs-*"] # tasks that wait for a person
# max_concurrent_per_label = { database = 1 }
`;

const TAIL = `
[commits]
# author = "person"            # or "agent"
# co_author = true

# [agents.mine]
# driver = "command"           # or "acp"
# command = "./tools/my-agent.sh"
# env = ["MY_AGENT_KEY"]
`;

/** A text as TOML writes it: JSON's escapes are TOML's too, but for one. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", String.raw`\u007f`);
}

function list(texts: readonly string[]): string {
  return `[${texts.map(quote).join(", ")}]`;
}

function renderWorkspace(setup: string | null): string {
  const command = setup ?? "npm ci";
  return `
[workspace]
# bring = [".env", "node_modules"]   # ignored files that agents need, taken from your checkout
# setup = ${quote(command)}   # runs in every new workspace before the agent
# env = []                           # names of environment variables that agents may see
# ports = 10                         # free ports set aside per workspace: CANOPY_WORKSPACE_PORT, CANOPY_WORKSPACE_PORTS
`;
}

function renderSandbox({ sandbox }: Detection): string {
  const tools = sandbox.tools.length === 0 ? "none in your home" : sandbox.tools.join(", ");
  return `
[sandbox]
# level = "sandbox"            # or "process", "none": canopy doctor sandbox says what each is worth here
# network = "allowlist"        # package registries, the agent's own model provider, and:
# allow = []                   # canopy sandbox allow HOST[:PORT]
# Tools on PATH are seen as they are (found: ${tools}).
# read_only = []               # more to see
# tool_caches = true           # your package managers' caches; what a workspace writes there is its own
# cache_mounts = []            # folders that all agents may write into, such as ${sandbox.caches[0] ?? "~/.cache/mine"}
# copy_configs = ${list(sandbox.configs)}   # settings that are copied into each agent's HOME
# [sandbox.limits]
# memory = "4GB"
# processes = 4096
`;
}

function renderValidation({ validation }: Detection, { isValidated, mode, steps }: InitAnswers): string {
  const found = validation.suggested.filter(({ command }) => !steps.some((step) => step.command === command));
  const shown = steps.length > 0 ? steps : [{ name: "test", command: "make test" }];
  const lines = [
    "[validation]",
    `enabled = true`,
    `mode = ${quote(mode)}            # "strict": only green trees land; "lenient": red ones land, and a task is filed`,
    ...shown.flatMap(({ name, command }) => [
      "",
      "[[validation.steps]]",
      `name = ${quote(name)}`,
      `command = ${quote(command)}`,
    ]),
  ];
  const others =
    found.length === 0
      ? ""
      : `# Also found: ${found
          .map(({ command }) => command.replaceAll(/\s+/g, " "))
          .slice(0, 20)
          .join("; ")}\n`;
  const text = isValidated
    ? lines.join("\n")
    : lines.map((line) => (line === "" ? "#" : `# ${line}`)).join("\n");
  return `
# What must pass before work lands; each candidate is tried in a workspace of its own.
${others}${text}
`;
}

/** The text of a new `.canopy/config.toml`: commented, valid, and with what was answered. */
export function renderConfig(detection: Detection, answers: InitAnswers): string {
  return [
    HEAD,
    RUN,
    renderWorkspace(detection.workspace.setup),
    renderSandbox(detection),
    TAIL,
    renderValidation(detection, answers),
  ].join("");
}
