import type { Run } from "@canopy/protocol";
import {
  CanopyError,
  answerSchemas,
  deliverReportSchema,
  deliverRequestSchema,
  projectStatsSchema,
  runDetailSchema,
  runPlanSchema,
  runRequestSchema,
  runStateSchema,
} from "@canopy/protocol";
import {
  selectActiveAttempts,
  selectAttempt,
  selectAttemptsOfRun,
  selectChange,
  selectChanges,
  selectProjectStats,
  selectRun,
  selectRuns,
} from "@canopy/core";
import { z } from "zod";
import { parseBody } from "../http/parse-body.ts";
import type { Route, RouteCall } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const PATH = "/projects/:project";

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new CanopyError("thing.not-found", `no ${what}`);
  return value;
}

function findRun(call: RouteCall<unknown>): unknown {
  const runId = readParam(call, "run");
  return projectRoomOf(call).read((sql) => ({
    run: found(selectRun(sql, runId), `run ${runId}`),
    attempts: selectAttemptsOfRun(sql, runId),
  }));
}

function listRuns(call: RouteCall<unknown>): Run[] {
  const limit = readNumberQuery(call.query, "limit", 50);
  const sinceMs = readNumberQuery(call.query, "since", 0);
  const status = call.query.get("status");
  const room = projectRoomOf(call);
  if (status === null) return room.read((sql) => selectRuns(sql, { sinceMs, limit }));
  const states = new Set<string>(parseBody(z.array(runStateSchema), status.split(","), "status"));
  const all = room.read((sql) => selectRuns(sql, { sinceMs, limit: Number.MAX_SAFE_INTEGER }));
  return all.filter((run) => states.has(run.state)).slice(0, limit);
}

const runs: readonly Route[] = [
  route({
    method: "post",
    path: `${PATH}/runs`,
    summary: "Starts a run",
    response: answerSchemas.run,
    body: runRequestSchema,
    successStatus: 201,
    handle: async (call) => await call.ports.startRun(readParam(call, "project"), call.body, call),
  }),
  route({
    method: "post",
    path: `${PATH}/runs/plan`,
    summary: "Says what a run would do",
    body: runRequestSchema,
    response: runPlanSchema,
    handle: (call) => call.ports.planRun(readParam(call, "project"), call.body),
  }),
  route({
    method: "get",
    path: `${PATH}/runs`,
    summary: "Runs, newest first",
    query: { since: "ms since 1970", status: "comma-separated states", limit: "a number" },
    response: answerSchemas.runs,
    handle: (call) => ({ runs: listRuns(call) }),
  }),
  route({
    method: "get",
    path: `${PATH}/runs/:run`,
    summary: "One run with its attempts",
    response: runDetailSchema,
    handle: findRun,
  }),
  route({
    method: "post",
    path: `${PATH}/runs/:run/stop`,
    summary: "Stops a run: drain starts nothing new, now also ends what runs",
    response: answerSchemas.run,
    body: z.strictObject({ mode: z.enum(["drain", "now"]).default("drain") }),
    handle: (call) => {
      const command = { type: "run.stop", runId: readParam(call, "run"), mode: call.body.mode };
      return submitTo(projectRoomOf(call), call, command);
    },
  }),
];

const attempts: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/attempts`,
    summary: "Attempts that are queued or running, or those of one run",
    response: answerSchemas.attempts,
    query: { run: "a run's id", active: "true" },
    handle: (call) => {
      const run = call.query.get("run");
      const list = projectRoomOf(call).read((sql) =>
        run === null ? selectActiveAttempts(sql) : selectAttemptsOfRun(sql, run),
      );
      return { attempts: list };
    },
  }),
  route({
    method: "get",
    path: `${PATH}/attempts/:attempt`,
    summary: "One attempt",
    response: answerSchemas.attempt,
    handle: (call) => {
      const attemptId = readParam(call, "attempt");
      const attempt = projectRoomOf(call).read((sql) => selectAttempt(sql, attemptId));
      return { attempt: found(attempt, `attempt ${attemptId}`) };
    },
  }),
  route({
    method: "post",
    path: `${PATH}/attempts/:attempt/kill`,
    summary: "Ends an attempt, named by its id or its task",
    response: answerSchemas.killed,
    handle: (call) =>
      submitTo(projectRoomOf(call), call, { type: "attempt.kill", target: readParam(call, "attempt") }),
  }),
];

const changes: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/changes`,
    summary: "Changes in queue order",
    response: answerSchemas.changes,
    handle: (call) => ({ changes: projectRoomOf(call).read((sql) => selectChanges(sql)) }),
  }),
  route({
    method: "get",
    path: `${PATH}/changes/:change`,
    summary: "One change",
    response: answerSchemas.change,
    handle: (call) => {
      const changeId = readParam(call, "change");
      return {
        change: found(
          projectRoomOf(call).read((sql) => selectChange(sql, changeId)),
          `change ${changeId}`,
        ),
      };
    },
  }),
  route({
    method: "post",
    path: `${PATH}/deliver`,
    summary: "Brings landed work to the user's branch, or says what stands in the way",
    body: deliverRequestSchema,
    response: deliverReportSchema,
    handle: (call) => call.ports.deliver(readParam(call, "project"), call.body),
  }),
];

const stats: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/stats`,
    summary: "Totals since a time",
    response: projectStatsSchema,
    query: { since: "ms since 1970" },
    handle: (call) =>
      projectRoomOf(call).read((sql) => selectProjectStats(sql, readNumberQuery(call.query, "since", 0))),
  }),
];

/** Endpoints of runs, attempts, changes and delivery. */
export const RUN_ROUTES: readonly Route[] = [...runs, ...attempts, ...changes, ...stats];
