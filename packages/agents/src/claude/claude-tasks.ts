import type { SubAgent } from "@canopy/protocol";
import { z } from "zod";
import type { JsonMessage } from "../session/json-lines.ts";

const taskSchema = z.looseObject({ task_id: z.string(), task_type: z.string().optional() });
const startedSchema = taskSchema.extend({
  description: z.string().optional(),
  subagent_type: z.string().optional(),
});
const changedSchema = z.looseObject({ tasks: z.array(taskSchema) });
const stateSchema = z.looseObject({ state: z.string() });

/** Tasks of this type are agents; the others are commands, which may run as long as they like. */
const AGENT_TASK = "local_agent";
const TOLD_BY_OTHERS = new Set(["task_progress", "task_updated", "task_notification"]);

/**
 * What Claude tells of the agents that it started, and of its own state. It lets them work on in the background after the end of its
 * answer, then goes on by itself with what they said: its turn is over only when it rests.
 */
export class ClaudeTasks {
  readonly #names = new Map<string, string>();
  #background: readonly string[] = [];
  /** Null for a Claude that does not tell it. */
  #state: string | null = null;

  /** True when nothing goes on by itself any more. */
  get isResting(): boolean {
    return this.#state === null ? this.#background.length === 0 : this.#state === "idle";
  }

  /** Agents at work beside the conversation. */
  get background(): readonly string[] {
    return this.#background;
  }

  /** Who asks; undefined for Claude itself. */
  find(agentId: string | undefined): SubAgent | undefined {
    if (agentId === undefined) return undefined;
    return { subAgentId: agentId, name: this.#names.get(agentId) ?? "sub-agent" };
  }

  /** Takes a `system` message and says whether it was one of these. */
  take(subtype: string, message: JsonMessage): boolean {
    if (subtype === "session_state_changed") this.#state = stateSchema.safeParse(message).data?.state ?? null;
    else if (subtype === "task_started") this.#start(message);
    else if (subtype === "background_tasks_changed") {
      const tasks = changedSchema.safeParse(message).data?.tasks ?? [];
      this.#background = tasks.filter((task) => task.task_type === AGENT_TASK).map((task) => task.task_id);
    } else return TOLD_BY_OTHERS.has(subtype);
    return true;
  }

  #start(message: JsonMessage): void {
    const task = startedSchema.safeParse(message).data;
    if (task === undefined || task.task_type !== AGENT_TASK) return;
    const { task_id: id, description, subagent_type: type } = task;
    const name = [description, type === undefined ? undefined : `(${type})`].filter(
      (part) => part !== undefined,
    );
    this.#names.set(id, name.join(" ") || "sub-agent");
  }
}
