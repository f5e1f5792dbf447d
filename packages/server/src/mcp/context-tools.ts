import type { ContextEntry } from "@canopy/protocol";
import { contextKindSchema } from "@canopy/protocol";
import { selectContext } from "@canopy/core";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool, featureOf, quoteLine, quoteOthers, submitAs } from "./agent-tool.ts";

function describe(entry: ContextEntry): string {
  const path = entry.path === null ? "" : ` [${quoteLine(entry.path)}]`;
  return `- ${entry.kind}${path}: ${quoteLine(entry.text)} (${quoteLine(entry.author)}, ${entry.entryId})`;
}

/** What everybody who works on the project should know. */
export const CONTEXT_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "read_context",
    title: "Read shared context",
    description:
      "Canopy: what others who work on this project learned and decided, and which files matter. Read it before you decide something that others may have decided already.",
    input: z.object({
      kind: contextKindSchema.optional().describe("only entries of this kind"),
    }),
    isReadOnly: true,
    handle: (call, { kind }) => {
      const entries = featureOf(call)
        .read((sql) => selectContext(sql))
        .filter((entry) => kind === undefined || entry.kind === kind);
      return quoteOthers("Shared context", entries.map(describe), "Nothing is known yet.");
    },
  }),
  agentTool({
    name: "add_context",
    title: "Add to shared context",
    description:
      "Canopy: tells everybody who works on this project something that they should know: a learning (how something works or fails), a decision (and why), or a key file. One fact, short. Not for progress reports.",
    input: z.object({
      kind: contextKindSchema,
      text: z.string().min(1).max(4000),
      path: z.string().min(1).max(1000).optional().describe("the file that it is about"),
    }),
    isReadOnly: false,
    handle: (call, { kind, text, path }) => {
      submitAs(call, featureOf(call), { type: "context.add", kind, text, path: path ?? null });
      return "Kept. Everybody who starts from now on is told.";
    },
  }),
];
