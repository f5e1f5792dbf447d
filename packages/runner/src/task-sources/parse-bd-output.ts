import { z } from "zod";
import type { SourceDependency, SourceDependencyKind, SourceTask, SourceTaskState } from "./task-source.ts";

const text = z.string().nullish().catch(null);

const dependencySchema = z.union([
  z.string().transform((id) => ({ id, depends_on_id: null, type: null, dependency_type: null })),
  z.looseObject({ id: text, depends_on_id: text, type: text, dependency_type: text }),
]);

type RawDependency = z.infer<typeof dependencySchema>;

const dependencyList = z.array(dependencySchema.nullable().catch(null)).nullish().catch(null);

const prioritySchema = z
  .union([z.number(), z.string().transform((value) => Number.parseInt(value.replace(/^p/i, ""), 10))])
  .nullish()
  .catch(null);

const issueSchema = z.looseObject({
  id: z.string().min(1),
  title: text,
  description: text,
  notes: text,
  issue_type: text,
  type: text,
  priority: prioritySchema,
  status: text,
  labels: z.array(z.string()).nullish().catch(null),
  assignee: text,
  dependencies: dependencyList,
  blockers: dependencyList,
  blocked_by: dependencyList,
  parent: text,
  timeout: z.union([z.number(), z.string()]).nullish().catch(null),
  external_ref: text,
  updated_at: text,
});

type RawIssue = z.infer<typeof issueSchema>;

const STATES: Readonly<Record<string, SourceTaskState>> = {
  open: "open",
  in_progress: "in_progress",
  blocked: "blocked",
  deferred: "deferred",
  closed: "closed",
  tombstone: "closed",
  "needs-input": "needs-input",
  needs_input: "needs-input",
};

const KINDS: Readonly<Record<string, SourceDependencyKind>> = {
  blocks: "blocks",
  "parent-child": "parent-child",
  related: "related",
  "discovered-from": "discovered-from",
};

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const DEFAULT_PRIORITY = 2;
const LOWEST_PRIORITY = 4;

/** A duration as Go prints it (`1h30m`), or a number of nanoseconds, in milliseconds; null when it is neither. */
export function parseDuration(value: string | number): number | null {
  if (typeof value === "number") return value > 0 ? Math.round(value / 1e6) : null;
  const parts = [...value.trim().matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)];
  const isWhole = parts.map((part) => part[0]).join("") === value.trim();
  if (parts.length === 0 || !isWhole) return null;
  const total = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (DURATION_UNITS_MS[unit ?? ""] ?? 0),
    0,
  );
  return total > 0 ? Math.round(total) : null;
}

function toDependency(raw: RawDependency): SourceDependency | null {
  const id = raw.depends_on_id ?? raw.id ?? "";
  if (id === "") return null;
  // In a whole issue `type` is the issue's own type; only a link names its kind there.
  const isLink = raw.depends_on_id !== null && raw.depends_on_id !== undefined;
  const kind = raw.dependency_type ?? (isLink ? raw.type : null) ?? "blocks";
  return { id, kind: KINDS[kind] ?? "related" };
}

function collectDependencies(raw: RawIssue): SourceDependency[] {
  const found = new Map<string, SourceDependency>();
  const all = [...(raw.dependencies ?? []), ...(raw.blockers ?? []), ...(raw.blocked_by ?? [])];
  for (const item of all) {
    const dependency = item === null ? null : toDependency(item);
    if (dependency !== null && dependency.id !== raw.id && !found.has(dependency.id))
      found.set(dependency.id, dependency);
  }
  const { parent } = raw;
  if (parent !== null && parent !== undefined && parent !== "" && !found.has(parent)) {
    found.set(parent, { id: parent, kind: "parent-child" });
  }
  return [...found.values()];
}

function toPriority(value: number | null | undefined): number {
  if (value === null || value === undefined || Number.isNaN(value)) return DEFAULT_PRIORITY;
  return Math.min(LOWEST_PRIORITY, Math.max(0, Math.trunc(value)));
}

function toTime(value: string | null | undefined): number | null {
  const time = Date.parse(value ?? "");
  return Number.isNaN(time) ? null : time;
}

/** Parses one issue of any known release; null when it has no id. */
export function parseIssue(value: unknown): SourceTask | null {
  const parsed = issueSchema.safeParse(value);
  if (!parsed.success) return null;
  const raw = parsed.data;
  const { timeout } = raw;
  const status = (raw.status ?? "open").toLowerCase();
  const assignee = raw.assignee ?? "";
  return {
    id: raw.id,
    title: raw.title ?? raw.id,
    description: raw.description ?? "",
    type: raw.issue_type ?? raw.type ?? "task",
    priority: toPriority(raw.priority),
    state: STATES[status] ?? "other",
    labels: raw.labels ?? [],
    assignee: assignee === "" ? null : assignee,
    notes: raw.notes ?? "",
    dependencies: collectDependencies(raw),
    timeoutMs: timeout === null || timeout === undefined ? null : parseDuration(timeout),
    externalReference: raw.external_ref ?? null,
    updatedAtMs: toTime(raw.updated_at),
  };
}

/** What a tracker printed: the issues in it, how many entries were unreadable, and whether there is another page. */
export interface BdOutput {
  readonly tasks: SourceTask[];
  readonly unreadableCount: number;
  readonly hasMore: boolean;
}

const EMPTY: BdOutput = { tasks: [], unreadableCount: 0, hasMore: false };
/** The beginning of a line of a human-readable list, such as `bd-12 [P1] ...` or `1. [P1] bd-a3f: ...`. */
const LISTED_ISSUE = /^\W*(?:\d+\.\s+)?(?:\[[^\]]*\]\s*)*[a-z][a-z0-9_]*-[0-9a-z]+(?:\.\d+)*\b[\s:[]/im;

function tryJson(source: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(source) };
  } catch {
    return null;
  }
}

/** The one JSON value in an output that may have words before it; null when there is none or it is JSON lines. */
function findJson(output: string): { readonly value: unknown } | null {
  const whole = tryJson(output);
  if (whole !== null) return whole;
  for (const match of output.matchAll(/^[[{].*$/gm)) {
    const rest = tryJson(output.slice(match.index));
    if (rest !== null) return rest;
    if (tryJson(match[0]) !== null) return null;
  }
  return null;
}

/** The values of an output with one on each line; words between them are passed over, broken objects are not. */
function findJsonLines(output: string): unknown[] {
  return output.split("\n").flatMap((line) => {
    const json = tryJson(line);
    if (json !== null) return unwrap(json.value).items;
    return line.trim().startsWith("{") ? [null] : [];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Takes off the wrappers that releases put around their results. */
function unwrap(value: unknown): { readonly items: unknown[]; readonly hasMore: boolean } {
  if (Array.isArray(value)) return { items: value, hasMore: false };
  if (!isRecord(value)) return { items: [], hasMore: false };
  const inner = value["data"] ?? value["issues"] ?? value["results"];
  if (inner !== undefined && inner !== null && typeof value["id"] !== "string") {
    const { items, hasMore } = unwrap(inner);
    return { items, hasMore: hasMore || value["has_more"] === true };
  }
  // An envelope around nothing is an empty result, an object with an id one issue.
  const isEmptyEnvelope =
    typeof value["id"] !== "string" && ("schema_version" in value || "data" in value || "issues" in value);
  return { items: isEmptyEnvelope ? [] : [value], hasMore: false };
}

/**
 * Reads what `bd` or a compatible program printed: an array, one object, `{data}`, `{issues}`, JSON lines, nothing, or
 * the words of releases that forget `--json` for empty lists. Null when it is a human-readable list of issues, which
 * must not be taken for an empty one.
 */
export function parseBdOutput(output: string): BdOutput | null {
  const trimmed = output.trim();
  if (trimmed === "") return EMPTY;
  const json = findJson(trimmed);
  const { items, hasMore } =
    json === null ? { items: findJsonLines(trimmed), hasMore: false } : unwrap(json.value);
  if (json === null && items.length === 0) return LISTED_ISSUE.test(trimmed) ? null : EMPTY;
  const tasks = items.map(parseIssue);
  const readable = tasks.filter((task) => task !== null);
  return { tasks: readable, unreadableCount: tasks.length - readable.length, hasMore };
}

/** What a program said went wrong: the `error` and `code` of JSON on its error output, else that output. */
export function parseBdError(
  stderr: string,
  stdout: string,
): { readonly message: string; readonly code: string | null } {
  for (const source of [stderr, stdout]) {
    const value = findJson(source.trim())?.value;
    if (!isRecord(value)) continue;
    const { error, code } = value;
    const message = isRecord(error) ? error["message"] : error;
    if (typeof message === "string") return { message, code: typeof code === "string" ? code : null };
  }
  return { message: stderr.trim() === "" ? stdout.trim() : stderr.trim(), code: null };
}

/** The id of a task that was just made: `.id` of the JSON, else the first word that looks like one. */
export function parseCreatedId(output: string): string | null {
  const parsed = parseBdOutput(output);
  const [task] = parsed?.tasks ?? [];
  if (task !== undefined) return task.id;
  return /\b[a-z][a-z0-9_]*-[0-9a-z]+(?:\.\d+)*\b/i.exec(output)?.[0] ?? null;
}
