import type { ProjectConfig, RetryRule, RunOptions, RunRequest, TaskId } from "@canopy/protocol";
import { CanopyError, runOptionsSchema } from "@canopy/protocol";

/** What a request and the configuration make together. */
export interface RunOptionsInput {
  readonly request: RunRequest;
  readonly config: ProjectConfig;
  readonly baseBranch: string;
  readonly checkout: string;
  readonly taskIds: readonly TaskId[];
  /** What a plan shows when nobody chose an agent; a run needs a choice. */
  readonly agentWhenNone?: string;
}

function retryRules(config: ProjectConfig): Record<string, RetryRule> {
  return Object.fromEntries(
    Object.entries(config.retries).map(([cause, rule]) => [
      cause,
      { limit: rule.limit, delayMs: rule.delay, maxDelayMs: rule.max_delay },
    ]),
  );
}

function buildFilter({ request, config, taskIds }: RunOptionsInput): unknown {
  const { rules } = config;
  return {
    maxPriority: request.maxPriority ?? rules.priority_max ?? null,
    types: request.types ?? rules.types,
    // A type that is asked for by name is not excluded by default.
    excludeTypes: [...rules.exclude_types, ...(request.excludeTypes ?? [])].filter(
      (type) => request.types?.includes(type) !== true,
    ),
    labels: request.labels ?? rules.labels,
    excludeLabels: [...rules.exclude_labels, ...(request.excludeLabels ?? [])],
    assignee: request.assignee ?? rules.assignee ?? null,
    taskIds: [...taskIds],
  };
}

/** An agent costs money and changes files, so it is never guessed. */
function chooseAgent({ request, config, agentWhenNone }: RunOptionsInput): string {
  const agent = request.agent ?? config.run.agent ?? agentWhenNone;
  if (agent !== undefined) return agent;
  const configured = Object.keys(config.agents);
  throw new CanopyError("usage.unknown-agent", "no agent was chosen", {
    hint: `say --agent NAME, or set [run] agent in .canopy/config.toml; NAME is ${[...configured, "claude", "codex", "gemini", "opencode"].join(", ")}, command:COMMAND or acp:COMMAND`,
  });
}

/** Fills a run's options: what the request says, else the configuration, else the documented default. 0 means 0. */
export function buildRunOptions(input: RunOptionsInput): RunOptions {
  const { request, config, baseBranch, checkout } = input;
  const { run, rules } = config;
  return runOptionsSchema.parse({
    concurrency: request.concurrency ?? run.concurrency,
    agent: chooseAgent(input),
    model: request.model ?? run.model ?? null,
    maxRetries: request.maxRetries ?? run.max_retries,
    timeoutMs: request.timeoutMs ?? run.timeout,
    filter: buildFilter(input),
    caps: { perType: rules.max_concurrent_per_type, perLabel: rules.max_concurrent_per_label },
    watch: request.watch ?? false,
    roles: request.roles ?? {},
    baseBranch,
    checkout,
    retries: retryRules(config),
  });
}
