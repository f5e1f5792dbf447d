import type { Json, Task, TaskStatus } from "@canopy/protocol";
import {
  answerSchemas,
  dependencyKindSchema,
  newTaskSchema,
  taskPatchSchema,
  taskReferenceSchema,
  taskStatusSchema,
} from "@canopy/protocol";
import type { RoomHandle, TaskQuery } from "@canopy/core";
import {
  resolveTask,
  selectReadyTasks,
  selectTaskDetail,
  selectTasks,
  selectWhyNotRunning,
} from "@canopy/core";
import { z } from "zod";
import { RejectedError } from "../http/error-response.ts";
import { parseBody } from "../http/parse-body.ts";
import type { Route, RouteCall } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { requireImages } from "./image-routes.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const holderSchema = z.strictObject({ holder: z.string().min(1).max(200) });
const reasonSchema = z.strictObject({ reason: z.string().max(5000).optional() });

function readStatuses(query: URLSearchParams): readonly TaskStatus[] | undefined {
  const text = query.get("status");
  return text === null ? undefined : parseBody(z.array(taskStatusSchema), text.split(","), "status");
}

function readTaskQuery(query: URLSearchParams): TaskQuery {
  const statuses = readStatuses(query);
  const limit = query.has("limit") ? readNumberQuery(query, "limit", 0) : undefined;
  const [taskType, label, assignee] = [query.get("type"), query.get("label"), query.get("assignee")];
  return {
    ...(statuses === undefined ? {} : { statuses }),
    ...(taskType === null ? {} : { taskType }),
    ...(label === null ? {} : { label }),
    ...(assignee === null ? {} : { assignee }),
    ...(limit === undefined ? {} : { limit }),
  };
}

function findTask(room: RoomHandle, call: RouteCall<unknown>): Task {
  const resolved = room.read((sql) => resolveTask(sql, readParam(call, "task")));
  if (resolved.type === "rejection") throw new RejectedError(resolved);
  return resolved.task;
}

/** A command about the task that the path names. */
function submitForTask(call: RouteCall<unknown>, type: string, fields: object = {}): Json {
  return submitTo(projectRoomOf(call), call, { type, task: readParam(call, "task"), ...fields });
}

/** An agent that says which models it has is believed before anything is written. */
async function checkModels(
  call: RouteCall<unknown>,
  tasks: readonly Pick<Task, "agent" | "model">[],
): Promise<readonly string[]> {
  const wanted = tasks.flatMap(({ agent, model }) =>
    model === null ? [] : [{ agent, model, where: "the task's model" }],
  );
  if (wanted.length === 0) return [];
  return await call.ports.agents.checkModels(readParam(call, "project"), wanted);
}

function withNotices(answer: Json, notices: readonly string[]): unknown {
  return notices.length === 0 ? answer : { task: Reflect.get(Object(answer), "task"), notices };
}

const PATH = "/projects/:project/tasks";

const reading: readonly Route[] = [
  route({
    method: "get",
    path: PATH,
    summary: "Tasks by number",
    response: answerSchemas.tasks,
    query: {
      status: "comma-separated states",
      type: "a type",
      label: "a label",
      assignee: "a name",
      limit: "a number",
    },
    handle: (call) => ({
      tasks: projectRoomOf(call).read((sql) => selectTasks(sql, readTaskQuery(call.query))),
    }),
  }),
  route({
    method: "get",
    path: `${PATH}/ready`,
    summary: "Tasks that could start now",
    response: answerSchemas.tasks,
    handle: (call) => ({
      tasks: projectRoomOf(call).read((sql) => selectReadyTasks(sql, call.ports.now())),
    }),
  }),
  route({
    method: "get",
    path: `${PATH}/:task`,
    summary: "One task with dependencies, comments, attempts, changes, and why it does not run",
    response: answerSchemas.taskDetail,
    handle: (call) => {
      const room = projectRoomOf(call);
      const task = findTask(room, call);
      return room.read((sql) => selectTaskDetail(sql, task, call.ports.now()));
    },
  }),
  route({
    method: "get",
    path: `${PATH}/:task/why`,
    summary: "Why a task does not run right now",
    response: answerSchemas.why,
    handle: (call) => {
      const room = projectRoomOf(call);
      const task = findTask(room, call);
      return { why: room.read((sql) => selectWhyNotRunning(sql, task, call.ports.now())) };
    },
  }),
];

const writing: readonly Route[] = [
  route({
    method: "post",
    path: PATH,
    summary: "Adds a task",
    response: answerSchemas.task,
    body: newTaskSchema,
    successStatus: 201,
    handle: async (call) => {
      await requireImages(call, call.body.images ?? []);
      const notices = await checkModels(call, [call.body]);
      return withNotices(
        submitTo(projectRoomOf(call), call, { type: "task.create", task: call.body }),
        notices,
      );
    },
  }),
  route({
    method: "post",
    path: `${PATH}/import`,
    summary: "Adds or updates many tasks, all or nothing",
    response: answerSchemas.imported,
    body: z.strictObject({ tasks: z.array(newTaskSchema).min(1).max(10_000) }),
    handle: async (call) => {
      await requireImages(
        call,
        call.body.tasks.flatMap(({ images = [] }) => images),
      );
      await checkModels(call, call.body.tasks);
      return submitTo(projectRoomOf(call), call, { type: "task.import", tasks: call.body.tasks });
    },
  }),
  route({
    method: "patch",
    path: `${PATH}/:task`,
    summary: "Changes fields of a task",
    response: answerSchemas.task,
    body: taskPatchSchema,
    handle: async (call) => {
      const { model, agent } = call.body;
      const isChanged = model !== undefined || agent !== undefined;
      const before = isChanged ? findTask(projectRoomOf(call), call) : { agent: null, model: null };
      const after = {
        agent: agent === undefined ? before.agent : agent,
        model: model === undefined ? before.model : model,
      };
      const notices = await checkModels(call, [after]);
      return withNotices(submitForTask(call, "task.update", { patch: call.body }), notices);
    },
  }),
  route({
    method: "post",
    path: `${PATH}/:task/claim`,
    summary: "Claims a task atomically; 409 when somebody else holds it",
    response: answerSchemas.task,
    body: holderSchema,
    handle: (call) => submitForTask(call, "task.claim", call.body),
  }),
  route({
    method: "post",
    path: `${PATH}/:task/release`,
    summary: "Gives a claimed task back",
    response: answerSchemas.task,
    body: holderSchema,
    handle: (call) => submitForTask(call, "task.release", call.body),
  }),
  route({
    method: "post",
    path: `${PATH}/:task/close`,
    summary: "Closes a task",
    response: answerSchemas.task,
    body: reasonSchema,
    handle: (call) => submitForTask(call, "task.close", call.body),
  }),
  route({
    method: "post",
    path: `${PATH}/:task/reopen`,
    summary: "Opens a task again and forgets its failures",
    response: answerSchemas.task,
    body: reasonSchema,
    handle: (call) => submitForTask(call, "task.reopen", call.body),
  }),
  route({
    method: "post",
    path: `${PATH}/:task/comments`,
    summary: "Adds a remark",
    response: answerSchemas.task,
    body: z.strictObject({ text: z.string().min(1).max(1_000_000) }),
    successStatus: 201,
    handle: (call) => submitForTask(call, "task.comment", call.body),
  }),
  route({
    method: "post",
    path: `${PATH}/:task/dependencies`,
    summary: "Makes a task depend on another; 409 when that closes a cycle",
    response: answerSchemas.dependency,
    body: z.strictObject({ on: taskReferenceSchema, kind: dependencyKindSchema.default("blocks") }),
    successStatus: 201,
    handle: (call) => submitForTask(call, "dependency.add", call.body),
  }),
  route({
    method: "delete",
    path: `${PATH}/:task/dependencies/:on`,
    summary: "Takes a dependency away",
    response: answerSchemas.dependency,
    handle: (call) => submitForTask(call, "dependency.remove", { on: readParam(call, "on") }),
  }),
];

/** Endpoints of tasks. */
export const TASK_ROUTES: readonly Route[] = [...reading, ...writing];
