import type { AgentTool } from "./agent-tool.ts";
import { COORDINATION_TOOLS } from "./coordination-tools.ts";
import { CONTEXT_TOOLS } from "./context-tools.ts";
import { QUEUE_TOOLS } from "./queue-tools.ts";
import { PERSON_TOOLS } from "./person-tools.ts";
import { SIBLING_TOOLS } from "./sibling-tools.ts";
import { TASK_TOOLS } from "./task-tools.ts";
import { WORK_TOOLS } from "./work-tools.ts";

/** Every tool that agents get. A group is one file and one line here. */
export const AGENT_TOOLS: readonly AgentTool[] = [
  ...CONTEXT_TOOLS,
  ...SIBLING_TOOLS,
  ...TASK_TOOLS,
  ...WORK_TOOLS,
  ...PERSON_TOOLS,
  ...QUEUE_TOOLS,
  ...COORDINATION_TOOLS,
];
