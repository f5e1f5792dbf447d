import { sandboxRefusalSchema } from "./sandbox-refusal.ts";
import { z } from "zod";
import { agentModelListSchema } from "./agent-models.ts";
import { changeSchema } from "./change.ts";
import { contextEntrySchema } from "./context.ts";
import { eventEnvelopeSchema } from "./envelope.ts";
import { imageSchema } from "./image.ts";
import { inquirySchema } from "./inquiry.ts";
import { jsonSchema } from "./json.ts";
import { projectSchema } from "./node-room.ts";
import { attemptSchema, runSchema } from "./run.ts";
import { daemonStatusSchema, deliverReportSchema, runDetailSchema, runPlanSchema } from "./requests.ts";
import { promptSchema, sessionSchema, transcriptEntrySchema } from "./session.ts";
import { commentSchema, dependencySchema, taskSchema } from "./task.ts";
import { usageSchema } from "./agent-event.ts";

/** One reason why a task does not run. `code` is stable, `message` is for people. */
export const notRunningReasonSchema = z.object({
  code: z.enum([
    "running",
    "landing",
    "closed",
    "claimed",
    "deferred",
    "needs-input",
    "blocked",
    "no-run",
    "filtered",
    "held",
    "capped",
    "run-stopping",
    "no-slot",
  ]),
  message: z.string(),
});

/** One task with everything around it. */
export const taskDetailSchema = z.object({
  task: taskSchema,
  dependsOn: z.array(dependencySchema),
  dependents: z.array(dependencySchema),
  comments: z.array(commentSchema),
  attempts: z.array(attemptSchema),
  changes: z.array(changeSchema),
  why: z.array(notRunningReasonSchema),
});

const countsSchema = z.record(z.string(), z.int().nonnegative());

/** Totals of a project since a time. Durations in ms. */
export const projectStatsSchema = z.object({
  runCount: z.int(),
  tasksByStatus: countsSchema,
  attemptsByState: countsSchema,
  failuresByCause: countsSchema,
  changesByState: countsSchema,
  filesChanged: z.int(),
  usage: usageSchema,
  attemptDurationMs: z.object({ count: z.int(), total: z.number(), p50: z.number(), p95: z.number() }),
  queueWaitMs: z.object({ count: z.int(), p50: z.number(), p95: z.number() }),
});

/** Answers of the REST API, by what they hold. Requests are in requests.ts and project-commands.ts. */
export const answerSchemas = {
  project: z.object({ project: projectSchema }),
  projects: z.object({ projects: z.array(projectSchema) }),
  snapshot: z.object({ seq: z.int().nonnegative(), state: jsonSchema }),
  events: z.object({ events: z.array(eventEnvelopeSchema), lastSeq: z.int().nonnegative() }),
  /** `notices`: what could not be made sure of, such as whether an agent has a model. */
  task: z.object({ task: taskSchema, notices: z.array(z.string()).optional() }),
  tasks: z.object({ tasks: z.array(taskSchema) }),
  taskDetail: taskDetailSchema,
  why: z.object({ why: z.array(notRunningReasonSchema) }),
  imported: z.object({ createdCount: z.int(), updatedCount: z.int(), taskIds: z.array(z.string()) }),
  dependency: z.object({ dependency: dependencySchema }),
  run: z.object({ run: runSchema, notices: z.array(z.string()).optional() }),
  runs: z.object({ runs: z.array(runSchema) }),
  attempt: z.object({ attempt: attemptSchema }),
  attempts: z.object({ attempts: z.array(attemptSchema) }),
  killed: z.object({ attemptId: z.string(), taskId: z.string() }),
  change: z.object({ change: changeSchema }),
  changes: z.object({ changes: z.array(changeSchema) }),
  changeId: z.object({ changeId: z.string() }),
  session: z.object({ session: sessionSchema, prompts: z.array(promptSchema), room: z.string() }),
  image: z.object({ image: imageSchema }),
  promptId: z.object({ promptId: z.string() }),
  context: z.object({ context: z.array(contextEntrySchema) }),
  agentModels: agentModelListSchema,
  sessions: z.object({ sessions: z.array(sessionSchema) }),
  transcript: z.object({ entries: z.array(transcriptEntrySchema) }),
  inquiries: z.object({ inquiries: z.array(inquirySchema) }),
  inquiry: z.object({ inquiry: inquirySchema }),
  runPlan: runPlanSchema,
  runDetail: runDetailSchema,
  deliverReport: deliverReportSchema,
  stats: projectStatsSchema,
  status: daemonStatusSchema,
  workspaces: z.object({
    backend: z.string(),
    skipped: z.array(z.object({ backend: z.string(), reason: z.string() })),
  }),
  refusals: z.object({ refusals: z.array(sandboxRefusalSchema) }),
  stopping: z.object({ stopping: z.boolean() }),
} as const;

/** One reason why a task does not run. */
export type NotRunning = z.infer<typeof notRunningReasonSchema>;
/** Names of the REST API's answers. */
export type AnswerName = keyof typeof answerSchemas;
/** One answer of the REST API. */
export type Answer<N extends AnswerName> = z.infer<(typeof answerSchemas)[N]>;
