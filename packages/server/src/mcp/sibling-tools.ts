import { selectActiveAttempts, selectOverlaps, selectTask } from "@canopy/core";
import type { Sql } from "@canopy/core";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool, projectOf, quoteLine, quoteOthers } from "./agent-tool.ts";

function describeSiblings(sql: Sql, sessionId: string): string[] {
  const attempts = selectActiveAttempts(sql);
  const own = attempts.find((attempt) => attempt.sessionId === sessionId);
  const overlaps = selectOverlaps(sql).filter((overlap) => overlap.attemptId === own?.attemptId);
  return attempts
    .filter((attempt) => attempt.sessionId !== sessionId)
    .map((attempt) => {
      const task = selectTask(sql, attempt.taskId);
      const files = overlaps
        .filter((overlap) => overlap.other === attempt.attemptId)
        .flatMap((overlap) => overlap.files.map((file) => file.path));
      const shared = files.length === 0 ? "" : `; changes the same as you in ${quoteLine(files.join(", "))}`;
      return `- ${attempt.sessionId} (${quoteLine(attempt.agent)}, ${attempt.state}): #${task?.number ?? "?"} ${quoteLine(task?.title ?? "")}${shared}`;
    });
}

/** Who else is at work. */
export const SIBLING_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "siblings",
    title: "Who else is at work",
    description:
      "Canopy: the other agents at work on this project right now, what each does, and in which files their work meets yours.",
    input: z.object({}),
    isReadOnly: true,
    handle: (call) => {
      const lines = projectOf(call).read((sql) => describeSiblings(sql, call.grant.sessionId));
      return quoteOthers("At work now", lines, "Nobody else is at work.");
    },
  }),
];
