import { CanopyError, answerSchemas, wireErrorSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { ROUTES } from "./create-server.ts";
import type { TestServer } from "./contract/open-test-server.ts";
import { TEST_HOST, TEST_TOKEN, openTestServer } from "./contract/open-test-server.ts";
import { statusOf } from "./http/error-response.ts";

const PROJECT = "/projects/prj_web";

/** Status and code of a request that fails. */
async function failure(test: TestServer, ...request: Parameters<TestServer["request"]>): Promise<unknown> {
  const response = await test.request(...request);
  const { error } = wireErrorSchema.parse(await response.json());
  return [response.status, error.code, ...(error.rejection === undefined ? [] : [error.rejection])];
}

test("the example of the README: a task is added, claimed and closed", async () => {
  using server = openTestServer();
  const { task } = answerSchemas.task.parse(
    await server.ask("POST", `${PROJECT}/tasks`, { title: "Paint it" }),
  );
  await server.ask("POST", `${PROJECT}/tasks/${task.number}/claim`, { holder: "ada" });
  const closed = await server.ask("POST", `${PROJECT}/tasks/%23${task.number}/close`, { reason: "done" });
  expect(answerSchemas.task.parse(closed).task).toMatchObject({ status: "closed", closeReason: "done" });
});

test("tasks are listed, filtered, changed, commented and depend on each other", async () => {
  using server = openTestServer();
  const add = async (title: string, more: object = {}): Promise<number> =>
    answerSchemas.task.parse(await server.ask("POST", `${PROJECT}/tasks`, { title, ...more })).task.number;
  const first = await add("first", { labels: ["ui"] });
  const second = await add("second", { taskType: "bug", dependencies: [{ on: String(first) }] });
  const numbers = async (query: string): Promise<number[]> =>
    answerSchemas.tasks
      .parse(await server.ask("GET", `${PROJECT}/tasks${query}`))
      .tasks.map((task) => task.number);
  expect([
    await numbers("?label=ui"),
    await numbers("?type=bug&status=open"),
    await numbers("?limit=1"),
  ]).toEqual([[first], [second], [first]]);
  expect(await numbers("/ready")).toEqual([first]);
  await server.ask("PATCH", `${PROJECT}/tasks/${second}`, { priority: 0 });
  await server.ask("POST", `${PROJECT}/tasks/${second}/comments`, { text: "look here" });
  const detail = answerSchemas.taskDetail.parse(await server.ask("GET", `${PROJECT}/tasks/${second}`));
  expect([detail.task.priority, detail.comments.map(({ text }) => text), detail.dependsOn.length]).toEqual([
    0,
    ["look here"],
    1,
  ]);
  const { why } = answerSchemas.why.parse(await server.ask("GET", `${PROJECT}/tasks/${second}/why`));
  expect(why.map(({ code }) => code)).toEqual(["blocked"]);
  await server.ask("DELETE", `${PROJECT}/tasks/${second}/dependencies/${first}`);
  expect(await numbers("/ready")).toEqual([first, second]);
});

test("a repeated request with the same Idempotency-Key does the thing once", async () => {
  using server = openTestServer();
  const add = (): Promise<unknown> =>
    server.ask("POST", `${PROJECT}/tasks`, { title: "once" }, { "idempotency-key": "abc" });
  expect(await add()).toEqual(await add());
  const { tasks } = answerSchemas.tasks.parse(await server.ask("GET", `${PROJECT}/tasks`));
  expect(tasks.length).toBe(1);
});

test("the person who asks is taken from X-Canopy-Actor, else from the port", async () => {
  using server = openTestServer();
  const add = async (headers: Record<string, string>): Promise<string> =>
    answerSchemas.task.parse(await server.ask("POST", `${PROJECT}/tasks`, { title: "x" }, headers)).task
      .createdBy;
  expect([await add({ "x-canopy-actor": "grace" }), await add({})]).toEqual(["grace", "ada@example.org"]);
});

test("what sandboxes were refused is told with the command that allows it, to whom has the token", async () => {
  const refusal = {
    atMs: 1,
    projectId: "prj_web",
    workspaceId: "att_1",
    host: "a.test",
    port: 443,
    reason: "not-on-list" as const,
    fix: "canopy sandbox allow a.test",
  };
  const asked: string[] = [];
  using server = openTestServer({
    listRefusals: (projectId) => {
      asked.push(projectId);
      return Promise.resolve([refusal]);
    },
  });
  expect(await server.ask("GET", `${PROJECT}/sandbox/refusals`)).toEqual({ refusals: [refusal] });
  const path = `/api/v1${PROJECT}/sandbox/refusals`;
  expect([
    (await server.request("GET", path, undefined, { authorization: "Bearer wrong" })).status,
    await failure(server, "GET", "/api/v1/projects/prj_other/sandbox/refusals"),
  ]).toEqual([401, [404, "thing.not-found"]]);
  expect(asked).toEqual(["prj_web"]);
});

test("every error has its stable code and status", async () => {
  using server = openTestServer();
  await server.ask("POST", `${PROJECT}/tasks`, { title: "one" });
  await server.ask("POST", `${PROJECT}/tasks/1/claim`, { holder: "ada" });
  const below = (path: string): string => `/api/v1${PROJECT}${path}`;
  expect([
    await failure(server, "GET", "/api/v1/nothing"),
    await failure(server, "GET", "/api/v1/projects/prj_other/tasks"),
    await failure(server, "GET", below("/tasks/99")),
    await failure(server, "GET", below("/tasks?status=bogus")),
    await failure(server, "GET", below("/tasks?limit=-1")),
    await failure(server, "POST", below("/tasks"), "{"),
    await failure(server, "POST", below("/tasks"), { title: "", more: 1 }),
    await failure(server, "POST", below("/tasks/1/claim"), { holder: "bob" }),
    await failure(server, "POST", below("/tasks/1/dependencies"), { on: "1" }),
    await failure(server, "GET", below("/runs/run_none")),
    await failure(server, "POST", below("/changes/chg_none/requeue")),
    await failure(server, "POST", below("/tasks"), { title: "x" }, { "idempotency-key": "" }),
    await failure(server, "GET", "/metrics"),
  ]).toEqual([
    [404, "request.not-found"],
    [404, "thing.not-found"],
    [404, "thing.not-found", "task.not-found"],
    [400, "request.invalid"],
    [400, "request.invalid"],
    [400, "request.invalid"],
    [400, "request.invalid"],
    [409, "conflict", "task.already-claimed"],
    [400, "request.invalid", "task.self-dependency"],
    [404, "thing.not-found"],
    [404, "thing.not-found", "change.not-found"],
    [400, "request.invalid"],
    [404, "request.not-found"],
  ]);
  expect(server.logged).toEqual([]);
});

test("a body beyond the limit is request.too-large", async () => {
  using server = openTestServer();
  const body = `{"title":"${"x".repeat(33_554_432)}"}`;
  expect(await failure(server, "POST", `/api/v1${PROJECT}/tasks`, body)).toEqual([413, "request.too-large"]);
});

test("an unexpected exception is logged and tells the client nothing", async () => {
  const secret = new TypeError("secret detail");
  using server = openTestServer({
    status: () => {
      throw secret;
    },
  });
  const response = await server.request("GET", "/api/v1/status");
  expect([response.status, await response.json()]).toEqual([
    500,
    { error: { code: "internal", message: "an unexpected error; the daemon's log has the details" } },
  ]);
  expect(server.logged).toEqual([secret]);
});

test("a failure outside comes with its code, hint and data", async () => {
  using server = openTestServer({
    deliver: () =>
      Promise.reject(new CanopyError("deliver.blocked", "dirty", { hint: "commit", data: { files: ["a"] } })),
  });
  const response = await server.request("POST", `/api/v1${PROJECT}/deliver`, { path: "/work/web" });
  expect([response.status, await response.json()]).toEqual([
    409,
    { error: { code: "deliver.blocked", message: "dirty", hint: "commit", data: { files: ["a"] } } },
  ]);
});

test("without the token, from another host or from another page nothing is answered", async () => {
  using server = openTestServer();
  const ask = async (headers: Record<string, string>, path = "/api/v1/status"): Promise<number> => {
    const request = new Request(`http://${TEST_HOST}${path}`, { headers });
    return (await server.server.fetch(request, { isTrusted: false })).status;
  };
  const authorization = `Bearer ${TEST_TOKEN}`;
  expect([
    await ask({ host: TEST_HOST, authorization }),
    await ask({ host: TEST_HOST }, `/api/v1/status?token=${TEST_TOKEN}`),
    await ask({ host: TEST_HOST, authorization, origin: `http://${TEST_HOST}` }),
    await ask({ host: TEST_HOST }),
    await ask({ host: TEST_HOST, authorization: "Bearer t0keN" }),
    await ask({ host: TEST_HOST, authorization: `Basic ${TEST_TOKEN}` }),
    await ask({ host: "evil.example:7770", authorization }),
    await ask({ host: TEST_HOST, authorization, origin: "http://evil.example" }),
    await ask({ host: TEST_HOST }, "/api/v1/nothing"),
    await ask({ host: "evil.example" }, "/healthz"),
  ]).toEqual([200, 200, 200, 401, 401, 401, 401, 401, 401, 200]);
});

test("the hooks' token opens the hooks and nothing else", async () => {
  using server = openTestServer({ hookToken: "h00k" });
  const post = async (path: string, token: string, host = TEST_HOST): Promise<number> => {
    const headers = { host, authorization: `Bearer ${token}` };
    const request = new Request(`http://${TEST_HOST}${path}`, { method: "POST", headers, body: "{}" });
    return (await server.server.fetch(request, { isTrusted: false })).status;
  };
  expect([
    await post("/hooks/claude?event=Stop", "h00k"),
    await post("/hooks/claude?event=Stop", TEST_TOKEN),
    await post("/hooks/claude?event=Stop", "other"),
    await post("/hooks/claude?event=Stop", "h00k", "evil.example"),
    await post("/api/v1/stop", "h00k"),
    await post("/hooks/../api/v1/stop", "h00k"),
  ]).toEqual([200, 200, 401, 401, 401, 401]);
});

test("a trusted transport needs no token", async () => {
  using server = openTestServer();
  const request = new Request("http://localhost/api/v1/status");
  expect((await server.server.fetch(request, { isTrusted: true })).status).toBe(200);
});

test("a WebSocket is refused like any other request, and anywhere but at /ws", () => {
  using server = openTestServer();
  const refuse = (path: string, headers: Record<string, string>): number | null =>
    server.server.refuseSocket(new Request(`http://${TEST_HOST}${path}`, { headers }), { isTrusted: false })
      ?.status ?? null;
  expect([
    refuse(`/ws?token=${TEST_TOKEN}`, { host: TEST_HOST }),
    refuse("/ws", { host: TEST_HOST, authorization: `Bearer ${TEST_TOKEN}` }),
    refuse("/ws", { host: TEST_HOST }),
    refuse(`/ws?token=${TEST_TOKEN}`, { host: TEST_HOST, origin: "http://evil.example" }),
    refuse(`/other?token=${TEST_TOKEN}`, { host: TEST_HOST }),
  ]).toEqual([null, null, 401, 401, 404]);
});

test("stopping is asked of the port", async () => {
  using server = openTestServer();
  expect(await server.ask("POST", "/stop")).toEqual({ stopping: true });
  expect(server.stops.length).toBe(1);
});

test("events are read page by page, of any room", async () => {
  using server = openTestServer();
  for (const title of ["a", "b", "c"]) await server.ask("POST", `${PROJECT}/tasks`, { title });
  const read = async (path: string): Promise<unknown> => {
    const { events, lastSeq } = answerSchemas.events.parse(await server.ask("GET", path));
    return [events.map((event) => event.seq), lastSeq];
  };
  expect([
    await read(`${PROJECT}/events?after=1&limit=1`),
    await read("/events?room=project/prj_web&after=1"),
    await read("/events"),
  ]).toEqual([
    [[2], 3],
    [[2, 3], 3],
    [[1], 1],
  ]);
});

test("the OpenAPI document describes every endpoint once, with its answer", async () => {
  using server = openTestServer();
  const document = (await server.ask("GET", "/openapi.json")) as {
    readonly openapi: string;
    readonly paths: Record<
      string,
      Record<string, { operationId: string; responses: Record<string, unknown> }>
    >;
  };
  expect(document.openapi).toBe("3.1.0");
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  expect(operations.length).toBe(ROUTES.length + 2);
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  expect(document.paths["/api/v1/projects/{project}/tasks/{task}"]?.["get"]).toMatchObject({
    operationId: "getProjectsProjectTasksTask",
    responses: {
      "200": { content: { "application/json": { schema: { required: expect.arrayContaining(["why"]) } } } },
    },
  });
});

test("every error code has a status of its kind", () => {
  const codes = [
    "request.invalid",
    "thing.not-found",
    "conflict",
    "rate-limited",
    "disk.full",
    "internal",
  ] as const;
  expect(codes.map((code) => statusOf(code))).toEqual([400, 404, 409, 429, 507, 500]);
});

test("/mcp answers by the tools' own tokens, for our own host only, and never by the daemon's", async () => {
  const seen: string[] = [];
  const agentTools = {
    fetch: (request: Request) => {
      seen.push(request.headers.get("authorization") ?? "");
      return Promise.resolve(new Response(null, { status: 401 }));
    },
  };
  using test = openTestServer({ agentTools });
  const post = async (host: string): Promise<number> => {
    const headers = { host, authorization: "Bearer of-a-session" };
    const request = new Request(`http://${host}/mcp`, { method: "POST", headers });
    return (await test.server.fetch(request, { isTrusted: false })).status;
  };
  expect([await post(TEST_HOST), await post("evil.example")]).toEqual([401, 401]);
  expect(seen).toEqual(["Bearer of-a-session"]);
  using without = openTestServer();
  expect((await without.request("POST", "/mcp")).status).toBe(404);
});
