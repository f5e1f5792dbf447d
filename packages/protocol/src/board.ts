import { z } from "zod";
import { idSchema } from "./ids.ts";
import { jsonSchema } from "./json.ts";
import {
  MAX_DESCRIPTION_CHARS,
  MAX_TITLE_CHARS,
  labelSchema,
  prioritySchema,
  taskStatusSchema,
} from "./task.ts";

// The work board speaks the words of `bd` (beads): names with underscores are that program's, as agents know them.

/** The id of an issue as `bd` writes it: `web-12`, `web-12.3`, `bd-a3f8`. */
export const issueIdSchema = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "letters, digits, dots, dashes and underscores");

/** What stands before the number in an issue's id. */
export const boardPrefixSchema = z
  .string()
  .max(60)
  .regex(/^[A-Za-z][\w.-]*$/, "a word such as web");

const issueReferenceSchema = z.string().trim().min(1).max(200);
const nullableText = z.string().max(MAX_DESCRIPTION_CHARS).nullish();

/** A link of one issue to another as `bd` stores it; other members are kept as they are. */
export const issueLinkSchema = z
  .object({ depends_on_id: z.string().min(1).max(500), type: z.string().max(80).nullish() })
  .catchall(jsonSchema);

/** A remark as `bd` stores it. */
export const issueCommentSchema = z
  .object({
    id: z.union([z.string().max(200), z.number()]).nullish(),
    author: z.string().max(200).nullish(),
    text: z.string().max(1_000_000),
    created_at: z.string().max(60).nullish(),
  })
  .catchall(jsonSchema);

/** One issue as a line of `bd`'s export has it. Members that are not named here are kept and given back. */
export const issueRecordSchema = z
  .object({
    id: issueIdSchema.optional(),
    title: z.string().trim().min(1, "an issue needs a title").max(MAX_TITLE_CHARS),
    description: nullableText,
    status: z.string().max(80).nullish(),
    priority: prioritySchema.nullish(),
    issue_type: z.string().max(80).nullish(),
    assignee: z.string().max(200).nullish(),
    labels: z.array(labelSchema).max(200).nullish(),
    dependencies: z.array(issueLinkSchema).max(2000).nullish(),
    comments: z.array(issueCommentSchema).max(10_000).nullish(),
    external_ref: z.string().max(2000).nullish(),
    created_by: z.string().max(200).nullish(),
    created_at: z.string().max(60).nullish(),
    updated_at: z.string().max(60).nullish(),
    closed_at: z.string().max(60).nullish(),
    close_reason: z.string().max(10_000).nullish(),
  })
  .catchall(jsonSchema);

/** Changed members of an issue; absent ones stay. */
export const issuePatchSchema = z.strictObject({
  title: z.string().trim().min(1).max(MAX_TITLE_CHARS).optional(),
  description: z.string().max(MAX_DESCRIPTION_CHARS).optional(),
  status: z.string().min(1).max(80).optional(),
  priority: prioritySchema.optional(),
  issue_type: z.string().min(1).max(80).optional(),
  /** An empty text takes the assignee away. */
  assignee: z.string().max(200).optional(),
  add_labels: z.array(labelSchema).max(200).optional(),
  remove_labels: z.array(labelSchema).max(200).optional(),
  set_labels: z.array(labelSchema).max(200).optional(),
  external_ref: z.string().max(2000).optional(),
  /** An empty text takes the parent away. */
  parent: z.string().max(200).optional(),
  append_notes: z.string().max(1_000_000).optional(),
  /** Members of `bd` that tasks lack: design, notes, due_at, ...; null removes one. */
  fields: z.record(z.string().max(80), jsonSchema).optional(),
});

/** What an issue has beside its task, so that `bd`'s export and import lose nothing. */
export const issueExtrasSchema = z.object({
  taskId: idSchema("task"),
  /** Null: `PREFIX-NUMBER`. */
  issueId: issueIdSchema.nullable(),
  /** A state that tasks lack, shown as long as the task is in the state that stands for it. */
  status: z.object({ text: z.string(), standsFor: taskStatusSchema }).nullable(),
  fields: z.record(z.string(), jsonSchema),
  /** Points in time in the words in which they came, by member. */
  times: z.record(z.string(), z.string()),
  /** `on` is the task that the link is a dependency on; null when it is none of ours. */
  links: z.array(z.object({ on: idSchema("task").nullable(), link: issueLinkSchema })),
  /** Ids and times of remarks as they came, by comment id. */
  comments: z.record(
    z.string(),
    z.object({ id: z.union([z.string(), z.number()]).nullable(), createdAt: z.string().nullable() }),
  ),
});

/** Commands of the project room that make it a work board. */
export const boardCommandSchemas = [
  /** Fixes what stands before the numbers of issues; once it is fixed, another prefix is refused. */
  z.strictObject({ type: z.literal("board.init"), prefix: boardPrefixSchema }),
  z.strictObject({
    type: z.literal("issue.create"),
    issue: issueRecordSchema,
    parent: issueReferenceSchema.optional(),
    /** `isBlocking`: the other one shall wait for the new one. */
    links: z
      .array(
        z.strictObject({
          on: issueReferenceSchema,
          type: z.string().min(1).max(80),
          isBlocking: z.boolean().default(false),
        }),
      )
      .max(500)
      .default([]),
  }),
  /** All or nothing. An issue whose id is known is brought up to date. */
  z.strictObject({ type: z.literal("issue.import"), issues: z.array(issueRecordSchema).min(1).max(20_000) }),
  z.strictObject({
    type: z.literal("issue.update"),
    issue: issueReferenceSchema,
    patch: issuePatchSchema,
    /** Takes the issue for whoever asks, or refuses the whole. */
    isClaim: z.boolean().default(false),
  }),
  z.strictObject({
    type: z.literal("issue.close"),
    issue: issueReferenceSchema,
    reason: z.string().max(5000).default(""),
  }),
  z.strictObject({
    type: z.literal("issue.reopen"),
    issue: issueReferenceSchema,
    reason: z.string().max(5000).default(""),
  }),
  z.strictObject({
    type: z.literal("issue.comment"),
    issue: issueReferenceSchema,
    text: z.string().min(1).max(1_000_000),
  }),
  z.strictObject({
    type: z.literal("issue.link"),
    issue: issueReferenceSchema,
    on: issueReferenceSchema,
    linkType: z.string().min(1).max(80).default("blocks"),
  }),
  z.strictObject({ type: z.literal("issue.unlink"), issue: issueReferenceSchema, on: issueReferenceSchema }),
] as const;

/** Events of the work board. */
export const boardEventSchemas = [
  z.object({ type: z.literal("board.configured"), prefix: boardPrefixSchema }),
  z.object({ type: z.literal("issue.changed"), extras: issueExtrasSchema }),
] as const;

/** What is asked of a board: a command, and by whom. */
export const boardRequestSchema = z.strictObject({
  actor: z.string().min(1).max(200),
  command: z.discriminatedUnion("type", [...boardCommandSchemas]),
});

/** One issue with what follows from the others. `record` is as `bd` would print it, without remarks unless asked. */
export const boardIssueSchema = z.object({
  record: z.record(z.string(), jsonSchema),
  isReady: z.boolean(),
  /** Ids of the open issues that it waits for. */
  blockedBy: z.array(z.string()),
  parent: z.string().nullable(),
});

/** What a board answers: issues by number. `prefix` is null until it is fixed. */
export const boardSchema = z.object({ prefix: z.string().nullable(), issues: z.array(boardIssueSchema) });

/** One issue as `bd` writes it. */
export type IssueRecord = z.infer<typeof issueRecordSchema>;
/** A link of one issue to another as `bd` stores it. */
export type IssueLink = z.infer<typeof issueLinkSchema>;
/** A remark as `bd` stores it. */
export type IssueComment = z.infer<typeof issueCommentSchema>;
/** Changed members of an issue. */
export type IssuePatch = z.infer<typeof issuePatchSchema>;
/** What an issue has beside its task. */
export type IssueExtras = z.infer<typeof issueExtrasSchema>;
/** One issue with what follows from the others. */
export type BoardIssue = z.infer<typeof boardIssueSchema>;
/** A board with its issues. */
export type Board = z.infer<typeof boardSchema>;
/** What is asked of a board. */
export type BoardRequestInput = z.input<typeof boardRequestSchema>;
