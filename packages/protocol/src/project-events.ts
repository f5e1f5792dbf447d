import { z } from "zod";
import { boardEventSchemas } from "./board.ts";
import { changeSchema, landingSchema } from "./change.ts";
import { coordinationStateSchema } from "./coordination.ts";
import { coordinationEventSchemas } from "./coordination-events.ts";
import { inquiryEventSchemas, inquirySchema } from "./inquiry.ts";
import { idSchema } from "./ids.ts";
import { jobSchema } from "./job.ts";
import { attemptSchema, failureCauseSchema, runSchema } from "./run.ts";
import { validationSchema } from "./validation.ts";
import { overlapSchema, stackSchema, trialSchema } from "./queue.ts";
import { sessionSchema } from "./session.ts";
import { commentSchema, dependencySchema, taskSchema } from "./task.ts";

/** Keeps a task from being started: in one run or (null) in all, until a time or (null) until released. */
export const holdSchema = z.object({
  taskId: idSchema("task"),
  runId: idSchema("run").nullable(),
  cause: failureCauseSchema,
  untilMs: z.int().nullable(),
  message: z.string(),
});

/** Keeps a task from being started. */
export type Hold = z.infer<typeof holdSchema>;

const task = { task: taskSchema };
const run = { run: runSchema };
const attempt = { attempt: attemptSchema };
const change = { change: changeSchema };
const job = { job: jobSchema };
const landing = { landing: landingSchema };

/** Every durable event of the project room. All carry full values. */
export const projectEventSchema = z.discriminatedUnion("type", [
  ...inquiryEventSchemas,
  ...boardEventSchemas,
  z.object({ type: z.literal("task.created"), ...task }),
  z.object({ type: z.literal("task.updated"), ...task }),
  z.object({ type: z.literal("task.claimed"), ...task }),
  z.object({ type: z.literal("task.released"), ...task }),
  z.object({ type: z.literal("task.closed"), ...task }),
  z.object({ type: z.literal("task.reopened"), ...task }),
  z.object({ type: z.literal("task.commented"), comment: commentSchema }),
  z.object({ type: z.literal("dependency.added"), dependency: dependencySchema }),
  z.object({ type: z.literal("dependency.removed"), dependency: dependencySchema }),
  z.object({ type: z.literal("run.started"), ...run }),
  z.object({ type: z.literal("run.updated"), ...run }),
  z.object({ type: z.literal("run.finished"), ...run }),
  z.object({ type: z.literal("attempt.queued"), ...attempt }),
  z.object({ type: z.literal("attempt.started"), ...attempt }),
  z.object({ type: z.literal("attempt.updated"), ...attempt }),
  z.object({ type: z.literal("attempt.ended"), ...attempt }),
  z.object({ type: z.literal("session.registered"), session: sessionSchema }),
  z.object({ type: z.literal("session.updated"), session: sessionSchema }),
  z.object({ type: z.literal("hold.placed"), hold: holdSchema }),
  z.object({ type: z.literal("hold.lifted"), taskId: idSchema("task"), runId: idSchema("run").nullable() }),
  z.object({ type: z.literal("change.queued"), ...change }),
  z.object({ type: z.literal("change.updated"), ...change }),
  z.object({ type: z.literal("change.landed"), ...change }),
  z.object({ type: z.literal("change.conflicted"), ...change }),
  z.object({ type: z.literal("change.failing"), ...change }),
  z.object({ type: z.literal("validation.recorded"), validation: validationSchema }),
  z.object({ type: z.literal("landing.intended"), ...landing }),
  z.object({ type: z.literal("landing.landed"), ...landing }),
  z.object({ type: z.literal("landing.abandoned"), ...landing }),
  /** The whole stack of one lane, as it now is. */
  z.object({ type: z.literal("stack.changed"), stack: stackSchema }),
  z.object({ type: z.literal("trial.queued"), trial: trialSchema }),
  /** Every overlap of one running session, as it now is. */
  z.object({
    type: z.literal("radar.changed"),
    attemptId: idSchema("attempt"),
    overlaps: z.array(overlapSchema),
  }),
  /** Landing on this branch waits until a time, or (null) until somebody resumes it. */
  z.object({
    type: z.literal("queue.paused"),
    integrationRef: z.string(),
    untilMs: z.int().nullable(),
    reason: z.string(),
  }),
  z.object({ type: z.literal("queue.resumed"), integrationRef: z.string() }),
  z.object({ type: z.literal("job.queued"), ...job }),
  z.object({ type: z.literal("job.leased"), ...job, leaseUntilMs: z.int() }),
  z.object({ type: z.literal("job.renewed"), ...job, leaseUntilMs: z.int() }),
  z.object({ type: z.literal("job.requeued"), ...job }),
  z.object({ type: z.literal("job.cancel-requested"), ...job }),
  z.object({ type: z.literal("job.completed"), ...job }),
  ...coordinationEventSchemas,
  z.object({ type: z.literal("timer.fired"), key: z.string() }),
  z.object({ type: z.literal("runner.registered"), runnerId: idSchema("runner"), hostId: z.string() }),
]);

/** A durable event of the project room. */
export type ProjectEvent = z.infer<typeof projectEventSchema>;

/** All that a client of the project room sees, as of one sequence number. */
export const projectStateSchema = z.object({
  tasks: z.array(taskSchema),
  dependencies: z.array(dependencySchema),
  holds: z.array(holdSchema),
  runs: z.array(runSchema),
  attempts: z.array(attemptSchema),
  changes: z.array(changeSchema),
  sessions: z.array(sessionSchema),
  overlaps: z.array(overlapSchema),
  coordination: coordinationStateSchema.prefault({ claims: [], tickets: [], waits: [], isFinished: false }),
  /** Those that wait for an answer. */
  inquiries: z.array(inquirySchema),
});

/** All that a client of the project room sees. */
export type ProjectState = z.infer<typeof projectStateSchema>;
