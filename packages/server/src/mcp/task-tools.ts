import type { Json, Task } from "@canopy/protocol";
import { MAX_TITLE_CHARS, prioritySchema, taskReferenceSchema, taskTypeSchema } from "@canopy/protocol";
import { selectReadyTasks } from "@canopy/core";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool, projectOf, quoteLine, quoteOthers, submitAs } from "./agent-tool.ts";

const MAX_READY = 50;
const MAX_DESCRIPTION_CHARS = 100_000;

function describe(task: Task): string {
  return `- #${task.number} (${task.taskType}, priority ${task.priority}) ${quoteLine(task.title)}`;
}

function readTask(result: Json): Task {
  return Reflect.get(Object(result), "task") as Task;
}

/** The board of tasks. */
export const TASK_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "ready_tasks",
    title: "Tasks that nobody works on",
    description: "Canopy: tasks that are open, claimed by nobody and blocked by nothing, the first 50.",
    input: z.object({}),
    isReadOnly: true,
    handle: (call) => {
      const ready = projectOf(call).read((sql) => selectReadyTasks(sql, call.nowMs));
      const lines = ready.slice(0, MAX_READY).map(describe);
      const more = ready.length > MAX_READY ? [`- and ${ready.length - MAX_READY} more`] : [];
      return quoteOthers("Ready tasks", [...lines, ...more], "No task is ready.");
    },
  }),
  agentTool({
    name: "claim_task",
    title: "Claim a task",
    description:
      "Canopy: takes a further task that you do along with your own, so that nobody else starts it. It is given back when your session ends.",
    input: z.object({ task: taskReferenceSchema.describe("its number or id") }),
    isReadOnly: false,
    handle: (call, { task }) => {
      const holder = call.grant.sessionId;
      const claimed = readTask(submitAs(call, projectOf(call), { type: "task.claim", task, holder }));
      return [
        `#${claimed.number} is yours: ${quoteLine(claimed.title)}`,
        ...(claimed.description === "" ? [] : ["", claimed.description]),
      ].join("\n");
    },
  }),
  agentTool({
    name: "create_task",
    title: "File a task",
    description:
      "Canopy: files a task for something that you found and that is not yours to do now. Do not file what you will do yourself.",
    input: z.object({
      title: z.string().min(1).max(MAX_TITLE_CHARS),
      description: z.string().max(MAX_DESCRIPTION_CHARS).default(""),
      type: taskTypeSchema.optional(),
      priority: prioritySchema.optional().describe("0 is the most urgent, 4 the least"),
      dependsOn: z.array(taskReferenceSchema).max(20).default([]).describe("tasks that must be done first"),
    }),
    isReadOnly: false,
    handle: (call, { title, description, type, priority, dependsOn }) => {
      const { taskId } = call.grant;
      const found = taskId === null ? [] : [{ on: taskId, kind: "discovered-from" }];
      const task = {
        title,
        description,
        ...(type === undefined ? {} : { taskType: type }),
        ...(priority === undefined ? {} : { priority }),
        dependencies: [...found, ...dependsOn.map((on) => ({ on, kind: "blocks" }))],
      };
      const created = readTask(submitAs(call, projectOf(call), { type: "task.create", task }));
      return `Filed as #${created.number}.`;
    },
  }),
];
