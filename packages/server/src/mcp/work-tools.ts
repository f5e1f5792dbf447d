import type { CheckResult } from "@canopy/protocol";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool } from "./agent-tool.ts";

function describe(result: CheckResult): string {
  const head = `## ${result.name}: ${result.state} (${(result.durationMs / 1000).toFixed(1)} s)`;
  const output = result.output.trim();
  return result.state === "passed" || output === "" ? head : `${head}\n${output}`;
}

/** What concerns the session's own work. */
export const WORK_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "run_checks",
    title: "Run the project's checks",
    description:
      "Canopy: runs the steps that validate this project (the same that decide whether your work lands) on your files as they are now, and tells what failed. May take minutes.",
    input: z.object({
      steps: z.array(z.string().min(1)).max(50).default([]).describe("names of steps; left out: all"),
    }),
    isReadOnly: true,
    handle: async (call, { steps }) => {
      const results = await call.grant.workspace.runChecks(steps);
      if (results.length === 0)
        return "This project has no validation steps of these names; run its own tests as its documents say.";
      const isRed = results.some((result) => result.state === "failed" || result.state === "timed-out");
      return [isRed ? "Some checks failed." : "All checks passed.", ...results.map(describe)].join("\n\n");
    },
  }),
  agentTool({
    name: "submit_to_queue",
    title: "Submit your work",
    description:
      "Canopy: says that your work is ready to land, with the text of its commit (what changed and why). It enters the merge queue when your turn ends; do not push or merge by yourself.",
    input: z.object({ message: z.string().min(1).max(10_000) }),
    isReadOnly: false,
    handle: (call, { message }) => {
      call.grant.workspace.submit(message);
      return "Noted. Your work enters the merge queue when you end your turn; whatever you still change until then goes with it.";
    },
  }),
  agentTool({
    name: "finish",
    title: "Finish with a summary",
    description:
      "Canopy: ends your work with a summary for people: what you did, what you decided, what is left. Outcome `blocked` when the task cannot be done. End your turn afterwards.",
    input: z.object({
      summary: z.string().min(1).max(4000),
      outcome: z.enum(["done", "blocked"]).default("done"),
    }),
    isReadOnly: false,
    handle: (call, { summary, outcome }) => {
      call.grant.workspace.finish({ summary, outcome });
      return "Noted. End your turn now.";
    },
  }),
];
