import type {
  Answer,
  Attempt,
  Change,
  DeliverReport,
  Dependency,
  DependencyKind,
  EventEnvelope,
  Json,
  NewTaskInput,
  NotRunning,
  Run,
  RunDetail,
  RunPlan,
  RunRequest,
  Session,
  Task,
  TaskPatch,
  TranscriptEntry,
} from "@canopy/protocol";
import type { ApiRequest, Requester } from "./http/create-requester.ts";

/** Which tasks to list. */
export interface TaskListQuery {
  /** Comma-separated states. */
  readonly status?: string;
  readonly type?: string;
  readonly label?: string;
  readonly assignee?: string;
  readonly limit?: number;
}

/**
 * One project's part of the API. Tasks are named as people type them: an id, a number, an external reference, or a part
 * of an id. Every method throws the server's `CanopyError`, or `daemon.unavailable`.
 */
export interface ProjectClient {
  listTasks(query?: TaskListQuery): Promise<Task[]>;
  listReadyTasks(): Promise<Task[]>;
  task(task: string): Promise<Answer<"taskDetail">>;
  why(task: string): Promise<NotRunning[]>;
  createTask(task: NewTaskInput): Promise<Task>;
  importTasks(tasks: readonly NewTaskInput[]): Promise<Answer<"imported">>;
  updateTask(task: string, patch: TaskPatch): Promise<Task>;
  claimTask(task: string, holder: string): Promise<Task>;
  releaseTask(task: string, holder: string): Promise<Task>;
  closeTask(task: string, reason?: string): Promise<Task>;
  reopenTask(task: string, reason?: string): Promise<Task>;
  commentTask(task: string, text: string): Promise<Task>;
  addDependency(task: string, on: string, kind?: DependencyKind): Promise<Dependency>;
  removeDependency(task: string, on: string): Promise<Dependency>;
  planRun(request: RunRequest): Promise<RunPlan>;
  startRun(request: RunRequest): Promise<Run>;
  listRuns(query?: {
    readonly since?: number;
    readonly status?: string;
    readonly limit?: number;
  }): Promise<Run[]>;
  run(runId: string): Promise<RunDetail>;
  stopRun(runId: string, mode: "drain" | "now"): Promise<Run>;
  /** Attempts that are queued or running, or those of one run. */
  listAttempts(runId?: string): Promise<Attempt[]>;
  attempt(attemptId: string): Promise<Attempt>;
  /** `target` is an attempt or a task. */
  killAttempt(target: string): Promise<Answer<"killed">>;
  listChanges(): Promise<Change[]>;
  change(changeId: string): Promise<Change>;
  requeueChange(changeId: string): Promise<void>;
  abandonChange(changeId: string, reason?: string): Promise<void>;
  deliver(path: string, options?: { readonly dryRun?: boolean }): Promise<DeliverReport>;
  stats(sinceMs?: number): Promise<Answer<"stats">>;
  listSessions(): Promise<Session[]>;
  session(sessionId: string): Promise<Answer<"session">>;
  transcript(
    sessionId: string,
    range?: { readonly after?: number; readonly limit?: number },
  ): Promise<TranscriptEntry[]>;
  events(range?: { readonly after?: number; readonly limit?: number }): Promise<EventEnvelope[]>;
}

type Call = (method: ApiRequest["method"], path: string, body?: Json) => ApiRequest;

/** A parsed request body is JSON by construction. */
function parseBodyJson(value: unknown): Json {
  return value as Json;
}

function createTaskMethods(requester: Requester, call: Call) {
  const at = (task: string, below = ""): string => `/tasks/${encodeURIComponent(task)}${below}`;
  const ofTask = async (method: ApiRequest["method"], path: string, body: Json): Promise<Task> =>
    (await requester.ask("task", call(method, path, body))).task;
  return {
    listTasks: async (query: TaskListQuery = {}): Promise<Task[]> =>
      (await requester.ask("tasks", { ...call("GET", "/tasks"), query: { ...query } })).tasks,
    listReadyTasks: async (): Promise<Task[]> =>
      (await requester.ask("tasks", call("GET", "/tasks/ready"))).tasks,
    task: (task: string) => requester.ask("taskDetail", call("GET", at(task))),
    why: async (task: string): Promise<NotRunning[]> =>
      (await requester.ask("why", call("GET", at(task, "/why")))).why,
    createTask: (task: NewTaskInput) => ofTask("POST", "/tasks", parseBodyJson(task)),
    importTasks: (tasks: readonly NewTaskInput[]) =>
      requester.ask("imported", call("POST", "/tasks/import", parseBodyJson({ tasks }))),
    updateTask: (task: string, patch: TaskPatch) => ofTask("PATCH", at(task), parseBodyJson(patch)),
    claimTask: (task: string, holder: string) => ofTask("POST", at(task, "/claim"), { holder }),
    releaseTask: (task: string, holder: string) => ofTask("POST", at(task, "/release"), { holder }),
    closeTask: (task: string, reason = "") => ofTask("POST", at(task, "/close"), { reason }),
    reopenTask: (task: string, reason = "") => ofTask("POST", at(task, "/reopen"), { reason }),
    commentTask: (task: string, text: string) => ofTask("POST", at(task, "/comments"), { text }),
    addDependency: async (task: string, on: string, kind: DependencyKind = "blocks"): Promise<Dependency> =>
      (await requester.ask("dependency", call("POST", at(task, "/dependencies"), { on, kind }))).dependency,
    removeDependency: async (task: string, on: string): Promise<Dependency> => {
      const path = at(task, `/dependencies/${encodeURIComponent(on)}`);
      return (await requester.ask("dependency", call("DELETE", path))).dependency;
    },
  };
}

function createRunMethods(requester: Requester, call: Call) {
  return {
    planRun: (request: RunRequest) =>
      requester.ask("runPlan", call("POST", "/runs/plan", parseBodyJson(request))),
    startRun: async (request: RunRequest): Promise<Run> =>
      (await requester.ask("run", call("POST", "/runs", parseBodyJson(request)))).run,
    listRuns: async (query: Record<string, string | number | undefined> = {}): Promise<Run[]> =>
      (await requester.ask("runs", { ...call("GET", "/runs"), query })).runs,
    run: (runId: string) => requester.ask("runDetail", call("GET", `/runs/${encodeURIComponent(runId)}`)),
    stopRun: async (runId: string, mode: "drain" | "now"): Promise<Run> =>
      (await requester.ask("run", call("POST", `/runs/${encodeURIComponent(runId)}/stop`, { mode }))).run,
    listAttempts: async (runId?: string): Promise<Attempt[]> =>
      (await requester.ask("attempts", { ...call("GET", "/attempts"), query: { run: runId } })).attempts,
    attempt: async (attemptId: string): Promise<Attempt> =>
      (await requester.ask("attempt", call("GET", `/attempts/${encodeURIComponent(attemptId)}`))).attempt,
    killAttempt: (target: string) =>
      requester.ask("killed", call("POST", `/attempts/${encodeURIComponent(target)}/kill`)),
    deliver: (path: string, options: { readonly dryRun?: boolean } = {}) =>
      requester.ask("deliverReport", call("POST", "/deliver", { path, ...options })),
    stats: (sinceMs = 0) => requester.ask("stats", { ...call("GET", "/stats"), query: { since: sinceMs } }),
  };
}

function createChangeMethods(requester: Requester, call: Call) {
  const at = (changeId: string, below = ""): string => `/changes/${encodeURIComponent(changeId)}${below}`;
  return {
    listChanges: async (): Promise<Change[]> =>
      (await requester.ask("changes", call("GET", "/changes"))).changes,
    change: async (changeId: string): Promise<Change> =>
      (await requester.ask("change", call("GET", at(changeId)))).change,
    requeueChange: async (changeId: string): Promise<void> => {
      await requester.ask("changeId", call("POST", at(changeId, "/requeue")));
    },
    abandonChange: async (changeId: string, reason = ""): Promise<void> => {
      await requester.ask("changeId", call("POST", at(changeId, "/abandon"), { reason }));
    },
  };
}

function createSessionMethods(requester: Requester, call: Call) {
  const at = (sessionId: string, below = ""): string => `/sessions/${encodeURIComponent(sessionId)}${below}`;
  return {
    listSessions: async (): Promise<Session[]> =>
      (await requester.ask("sessions", call("GET", "/sessions"))).sessions,
    session: (sessionId: string) => requester.ask("session", call("GET", at(sessionId))),
    transcript: async (
      sessionId: string,
      range: { readonly after?: number; readonly limit?: number } = {},
    ): Promise<TranscriptEntry[]> =>
      (
        await requester.ask("transcript", {
          ...call("GET", at(sessionId, "/transcript")),
          query: { ...range },
        })
      ).entries,
    events: async (
      range: { readonly after?: number; readonly limit?: number } = {},
    ): Promise<EventEnvelope[]> =>
      (await requester.ask("events", { ...call("GET", "/events"), query: { ...range } })).events,
  };
}

/** Makes the client of one project. */
export function createProjectClient(requester: Requester, projectId: string): ProjectClient {
  const call: Call = (method, path, body) => ({
    method,
    path: `/projects/${encodeURIComponent(projectId)}${path}`,
    ...(body === undefined ? {} : { body }),
  });
  return {
    ...createTaskMethods(requester, call),
    ...createRunMethods(requester, call),
    ...createChangeMethods(requester, call),
    ...createSessionMethods(requester, call),
  };
}
