import { selectChanges, selectQueuePauses, selectTask } from "@canopy/core";
import type { Sql } from "@canopy/core";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool, projectOf, quoteLine, quoteOthers } from "./agent-tool.ts";

const OVER = new Set(["landed", "abandoned"]);
const MAX_CHANGES = 50;

function describeQueue(sql: Sql): string[] {
  const pauses = selectQueuePauses(sql).map(
    (pause) => `- landing on ${pause.integrationRef} waits: ${quoteLine(pause.reason)}`,
  );
  const changes = selectChanges(sql).filter((change) => !OVER.has(change.state));
  const lines = changes.slice(0, MAX_CHANGES).map((change, index) => {
    const task = selectTask(sql, change.taskId);
    const reason = change.reason === null ? "" : `: ${quoteLine(change.reason)}`;
    return `${index + 1}. #${task?.number ?? "?"} ${quoteLine(task?.title ?? "")} (${change.state}${reason})`;
  });
  const more = changes.length > MAX_CHANGES ? [`and ${changes.length - MAX_CHANGES} more`] : [];
  return [...pauses, ...lines, ...more];
}

/** The merge queue. */
export const QUEUE_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "queue_status",
    title: "State of the merge queue",
    description: "Canopy: the changes that wait to land, in order, and what stands in their way.",
    input: z.object({}),
    isReadOnly: true,
    handle: (call) =>
      quoteOthers(
        "Merge queue",
        projectOf(call).read((sql) => describeQueue(sql)),
        "The queue is empty.",
      ),
  }),
];
