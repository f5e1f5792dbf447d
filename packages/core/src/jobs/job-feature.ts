import type { Job, JobId, ProjectCommand, ProjectEvent, Rejection, RunnerId } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideContext, RoomFeature } from "../kernel/room-definition.ts";
import { selectPresence } from "../kernel/journal.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn, readText } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";

type Context = DecideContext<ProjectEvent>;

/** How long a lease lasts without a sign of life from its runner, in ms. */
export const LEASE_MS = 60_000;

/** One job, or undefined. */
export function selectJob(sql: Sql, jobId: string): Job | undefined {
  const [row] = sql.exec("SELECT value FROM jobs WHERE job_id = ?", jobId);
  return row === undefined ? undefined : parseColumn<Job>(row, "value");
}

/** Jobs in a state, oldest first. */
export function selectJobs(sql: Sql, state: Job["state"]): Job[] {
  return sql
    .exec("SELECT value FROM jobs WHERE state = ? ORDER BY position", state)
    .map((row) => parseColumn<Job>(row, "value"));
}

/** The queued or leased job of a subject (an attempt, a change or a landing), or undefined. */
export function selectActiveJobOf(sql: Sql, subjectId: string): Job | undefined {
  const [row] = sql.exec(
    `SELECT jobs.value AS value FROM job_subjects JOIN jobs USING (job_id)
     WHERE subject_id = ? AND state IN ('queued', 'leased') LIMIT 1`,
    subjectId,
  );
  return row === undefined ? undefined : parseColumn<Job>(row, "value");
}

/** Emits a new job. */
export function queueJob(context: Context, kind: Job["kind"], subjectIds: readonly string[]): Job {
  const job: Job = {
    jobId: context.newId("job"),
    kind,
    state: "queued",
    subjectIds: [...subjectIds],
    runnerId: null,
    fence: 0,
    cancelRequested: null,
    queuedAtMs: context.nowMs,
  };
  context.emit({ type: "job.queued", job });
  return job;
}

/** Emits a lease of a queued job and returns the job as it then is. */
export function leaseJob(context: Context, job: Job, runnerId: RunnerId): Job {
  const leased: Job = { ...job, state: "leased", runnerId, fence: job.fence + 1 };
  context.emit({ type: "job.leased", job: leased, leaseUntilMs: context.nowMs + LEASE_MS });
  return leased;
}

/** Emits the end of a job. */
export function completeJob(context: Context, job: Job): void {
  context.emit({ type: "job.completed", job: { ...job, state: "completed" } });
}

/** Puts a leased job back into the queue; its fence stays, so an old runner's result is refused. */
export function requeueJob(context: Context, job: Job): void {
  context.emit({ type: "job.requeued", job: { ...job, state: "queued", runnerId: null } });
}

/** Asks for the early end of a job. A queued one is over at once; a leased one is its runner's to end. */
export function cancelJob(context: Context, job: Job, how: "kill" | "stop"): "over" | "asked" {
  if (job.state === "queued") {
    context.emit({ type: "job.completed", job: { ...job, state: "cancelled", cancelRequested: how } });
    return "over";
  }
  if (job.cancelRequested !== how) {
    context.emit({ type: "job.cancel-requested", job: { ...job, cancelRequested: how } });
  }
  return "asked";
}

/** Checks that a result comes from the current lease. Refuses with `job.not-found` or `job.stale-token`. */
export function checkLease(
  sql: Sql,
  lease: { readonly jobId: JobId; readonly fence: number },
  kind: Job["kind"] | readonly Job["kind"][],
): { readonly type: "job"; readonly job: Job } | Rejection {
  const job = selectJob(sql, lease.jobId);
  const kinds: readonly string[] = typeof kind === "string" ? [kind] : kind;
  if (job === undefined || !kinds.includes(job.kind))
    return reject("job.not-found", `no such job ${lease.jobId}`);
  if (job.state !== "leased" || job.fence !== lease.fence) {
    return reject("job.stale-token", `job ${job.jobId} is no longer leased with token ${lease.fence}`);
  }
  return { type: "job", job };
}

/** True when a runner gave a sign of life within one lease. */
export function isRunnerAlive(sql: Sql, runnerId: string, nowMs: number): boolean {
  const seenAtMs = selectPresence(sql, runnerId);
  return seenAtMs !== null && nowMs - seenAtMs < LEASE_MS;
}

/** Runners of a host that registered before. */
export function selectRunnersOfHost(sql: Sql, hostId: string): string[] {
  return sql
    .exec("SELECT runner_id FROM runners WHERE host_id = ? ORDER BY runner_id", hostId)
    .map((row) => readText(row, "runner_id"));
}

function writeJob(sql: Sql, job: Job): void {
  sql.exec(
    `INSERT INTO jobs (job_id, kind, state, runner_id, position, value)
     VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(position), 0) + 1 FROM jobs), ?)
     ON CONFLICT (job_id) DO UPDATE SET state = excluded.state, runner_id = excluded.runner_id, value = excluded.value`,
    job.jobId,
    job.kind,
    job.state,
    job.runnerId,
    JSON.stringify(job),
  );
}

function dropJob(sql: Sql, job: Job): void {
  sql.exec("DELETE FROM jobs WHERE job_id = ?", job.jobId);
  sql.exec("DELETE FROM job_subjects WHERE job_id = ?", job.jobId);
  clearTimer(sql, `lease:${job.jobId}`);
}

/** Outside work as rows: leases, fencing tokens, cancellation. Ended jobs leave the table; the journal remembers. */
export const jobFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "jobs",
  migrations: [
    {
      id: "jobs-1",
      statements: [
        `CREATE TABLE jobs (job_id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, runner_id TEXT,
          position INTEGER NOT NULL, value TEXT NOT NULL)`,
        "CREATE INDEX jobs_by_state ON jobs (state, position)",
        "CREATE TABLE job_subjects (subject_id TEXT NOT NULL, job_id TEXT NOT NULL, PRIMARY KEY (subject_id, job_id)) WITHOUT ROWID",
        "CREATE INDEX job_subjects_by_job ON job_subjects (job_id)",
        "CREATE TABLE runners (runner_id TEXT PRIMARY KEY, host_id TEXT NOT NULL)",
      ],
    },
  ],
  tables: ["jobs", "job_subjects", "runners"],
  project: {
    "job.queued": (sql, { job }) => {
      writeJob(sql, job);
      for (const subjectId of job.subjectIds) {
        sql.exec(
          "INSERT OR IGNORE INTO job_subjects (subject_id, job_id) VALUES (?, ?)",
          subjectId,
          job.jobId,
        );
      }
    },
    "job.leased": (sql, { job, leaseUntilMs }) => {
      writeJob(sql, job);
      setTimer(sql, `lease:${job.jobId}`, leaseUntilMs);
    },
    "job.renewed": (sql, { job, leaseUntilMs }) => setTimer(sql, `lease:${job.jobId}`, leaseUntilMs),
    "job.requeued": (sql, { job }) => {
      writeJob(sql, job);
      clearTimer(sql, `lease:${job.jobId}`);
    },
    "job.cancel-requested": (sql, { job }) => writeJob(sql, job),
    "job.completed": (sql, { job }) => dropJob(sql, job),
    "runner.registered": (sql, { runnerId, hostId }) => {
      sql.exec("DELETE FROM runners WHERE host_id = ?", hostId);
      sql.exec("INSERT INTO runners (runner_id, host_id) VALUES (?, ?)", runnerId, hostId);
    },
  },
};
