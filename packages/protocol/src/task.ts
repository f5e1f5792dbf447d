import { z } from "zod";
import { taskForkSchema } from "./fork.ts";
import { idSchema } from "./ids.ts";
import { imagesSchema } from "./image.ts";

/** Longest task title, in characters. */
export const MAX_TITLE_CHARS = 500;
/** Longest task description, in characters: 4 Mi, so that a 1 MB description fits whole. */
export const MAX_DESCRIPTION_CHARS = 4_194_304;

/** Kind of work, lower case: task, bug, feature, chore, epic, or a word of the team's own. */
export const taskTypeSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, "a lower-case word such as task, bug, feature");

/** A label: up to 80 characters, no comma, no control character. */
export const labelSchema = z
  .string()
  .min(1)
  .max(80)
  .regex(/^[^,\p{Cc}]+$/u, "no commas or control characters");

/** 0 is critical, 4 is some day. */
export const prioritySchema = z.int().min(0).max(4);

/** State of a task. `needs_input` waits for a person; blocked is not a state but follows from dependencies. */
export const taskStatusSchema = z.enum(["open", "in_progress", "needs_input", "deferred", "closed"]);

/** Kinds of dependency; only `blocks` and `parent-child` hold a task back. */
export const dependencyKindSchema = z.enum(["blocks", "parent-child", "related", "discovered-from"]);

/** `taskId` depends on `dependsOnId`. */
export const dependencySchema = z.object({
  taskId: idSchema("task"),
  dependsOnId: idSchema("task"),
  kind: dependencyKindSchema,
});

/** Who holds a task: a person's or an agent's name, or the id of an attempt of a run. */
export const taskClaimSchema = z.object({
  holder: z.string().min(1).max(200),
  atMs: z.int(),
});

/** The full value of a task. */
export const taskSchema = z.object({
  taskId: idSchema("task"),
  /** Counts up from 1 in a project; people type it. */
  number: z.int().positive(),
  title: z.string(),
  description: z.string(),
  taskType: taskTypeSchema,
  priority: prioritySchema,
  labels: z.array(labelSchema),
  assignee: z.string().nullable(),
  status: taskStatusSchema,
  claim: taskClaimSchema.nullable(),
  /** Id in another tracker, such as `bd:web-12`. Unique in a project. */
  externalReference: z.string().nullable(),
  timeoutMs: z.int().positive().nullable(),
  agent: z.string().nullable(),
  model: z.string().nullable(),
  /** Set when its session begins with another's conversation. */
  forkOf: taskForkSchema.optional(),
  /** Pictures that belong to its description. */
  images: imagesSchema.optional(),
  createdBy: z.string(),
  createdAtMs: z.int(),
  updatedAtMs: z.int(),
  closedAtMs: z.int().nullable(),
  closeReason: z.string().nullable(),
});

/** A remark on a task. */
export const commentSchema = z.object({
  commentId: idSchema("comment"),
  taskId: idSchema("task"),
  author: z.string(),
  text: z.string(),
  atMs: z.int(),
});

/** What a person gives to make a task. */
export const newTaskSchema = z.strictObject({
  title: z.string().trim().min(1, "a task needs a title").max(MAX_TITLE_CHARS),
  description: z.string().max(MAX_DESCRIPTION_CHARS).default(""),
  taskType: taskTypeSchema.default("task"),
  priority: prioritySchema.default(2),
  labels: z.array(labelSchema).max(50).default([]),
  assignee: z.string().min(1).max(200).nullable().default(null),
  externalReference: z.string().min(1).max(200).nullable().default(null),
  timeoutMs: z.int().positive().nullable().default(null),
  agent: z.string().min(1).max(2000).nullable().default(null),
  model: z.string().min(1).max(200).nullable().default(null),
  images: imagesSchema.optional(),
  /** Task references: an id, a number, or (in one import) another item's `externalReference`. */
  dependencies: z
    .array(z.strictObject({ on: z.string().min(1), kind: dependencyKindSchema.default("blocks") }))
    .max(500)
    .default([]),
});

/** Fields of a task that can be changed; absent ones stay. */
export const taskPatchSchema = z.strictObject({
  title: z.string().trim().min(1).max(MAX_TITLE_CHARS).optional(),
  description: z.string().max(MAX_DESCRIPTION_CHARS).optional(),
  taskType: taskTypeSchema.optional(),
  priority: prioritySchema.optional(),
  addLabels: z.array(labelSchema).max(50).optional(),
  removeLabels: z.array(labelSchema).max(50).optional(),
  assignee: z.string().min(1).max(200).nullable().optional(),
  status: z.enum(["open", "deferred", "needs_input"]).optional(),
  timeoutMs: z.int().positive().nullable().optional(),
  agent: z.string().min(1).max(2000).nullable().optional(),
  model: z.string().min(1).max(200).nullable().optional(),
});

/** The full value of a task. */
export type Task = z.infer<typeof taskSchema>;
/** A task's state. */
export type TaskStatus = z.infer<typeof taskStatusSchema>;
/** A remark on a task. */
export type Comment = z.infer<typeof commentSchema>;
/** One dependency between tasks. */
export type Dependency = z.infer<typeof dependencySchema>;
/** Kind of a dependency. */
export type DependencyKind = z.infer<typeof dependencyKindSchema>;
/** What a person gives to make a task, defaults filled in. */
export type NewTask = z.infer<typeof newTaskSchema>;
/** What a person gives to make a task; defaults may be left out. */
export type NewTaskInput = z.input<typeof newTaskSchema>;
/** Changed fields of a task. */
export type TaskPatch = z.infer<typeof taskPatchSchema>;
