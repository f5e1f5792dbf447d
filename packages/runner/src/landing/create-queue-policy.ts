import type { ProjectConfig, QueuePolicy, RungBudget } from "@canopy/protocol";
import { hashCommands } from "./run-validation.ts";

type RungConfig = ProjectConfig["queue"]["resolver"];

function budget(attempts: number, config: Omit<RungConfig, "attempts">): RungBudget {
  return {
    attempts,
    timeoutMs: Math.max(1, config.timeout),
    maxCostUsd: config.max_cost_usd ?? null,
    agent: config.agent ?? null,
    model: config.model ?? null,
  };
}

/** What the configuration wants of the queue, as the room needs it to decide about a lane. */
export function createQueuePolicy(config: ProjectConfig, scopes: readonly string[] | null): QueuePolicy {
  const { queue, validation } = config;
  const isValidating = validation.enabled && validation.steps.length > 0;
  return {
    mode: isValidating ? validation.mode : "off",
    validators: queue.validators,
    windowStart: queue.window,
    windowMax: Math.max(queue.window, queue.max_window),
    commandsHash: hashCommands(config, scopes),
    handBack: budget(queue.hand_back.attempts, queue.hand_back),
    resolver: budget(queue.resolver.attempts, queue.resolver),
    repair: budget(validation.max_repair_attempts, queue.repair),
  };
}
