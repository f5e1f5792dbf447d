import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoomAddress } from "@canopy/core";
import type { TestHost } from "@canopy/testkit";
import { openTestHost } from "@canopy/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TestServer } from "./contract/start-test-server.ts";
import { TEST_TOKEN, startTestServer } from "./contract/start-test-server.ts";
import { createUnixFetch } from "./node/create-unix-fetch.ts";
import type { ClientOptions } from "./open-client.ts";
import { openClient } from "./open-client.ts";
import { nodeView, projectView } from "./state/room-view.ts";

let folder: string;
let host: TestHost;
let server: TestServer;
let end: AbortController;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "canopy-client-"));
  host = openTestHost();
  host.addProject("web");
  end = new AbortController();
  server = await startTestServer({ host, socketPath: join(folder, "canopy.sock") });
});
afterEach(async () => {
  end.abort();
  await server[Symbol.asyncDispose]();
  host[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** Every way to reach a daemon. */
const ways: Readonly<Record<string, () => ClientOptions>> = {
  "loopback and WebSocket": () => ({ baseUrl: server.baseUrl, token: TEST_TOKEN, webSocket: WebSocket }),
  "loopback and server-sent events": () => ({ baseUrl: server.baseUrl, token: TEST_TOKEN }),
  "unix socket and server-sent events": () => ({
    baseUrl: "http://localhost",
    fetch: createUnixFetch(join(folder, "canopy.sock")),
  }),
};

test.each(Object.entries(ways))("the example of the README, over %s", async (_way, options) => {
  const client = openClient(options());
  const seen: (readonly [number, string[]])[] = [];
  const done = client.subscribeRoom({
    room: projectView("prj_web"),
    signal: end.signal,
    onState: (state, seq) => {
      seen.push([seq, state.tasks.map((task) => `${task.title} ${task.status}`)]);
      if (seen.length === 1) void client.project("prj_web").createTask({ title: "Paint it" });
      if (seen.length === 2) void client.project("prj_web").claimTask("1", "ada");
      if (seen.length === 3) end.abort();
    },
  });
  await done;
  expect(seen).toEqual([
    [0, []],
    [1, ["Paint it open"]],
    [2, ["Paint it in_progress"]],
  ]);
});

test("every part of the API answers in its shape", async () => {
  const client = openClient({ baseUrl: server.baseUrl, token: TEST_TOKEN, actor: "grace" });
  const web = client.project("prj_web");
  const first = await web.createTask({ title: "first" });
  const imported = await web.importTasks([{ title: "second", dependencies: [{ on: "1" }] }]);
  await web.updateTask("1", { priority: 0 });
  await web.commentTask("1", "a remark");
  await web.addDependency("2", first.taskId, "related");
  await web.removeDependency("2", "1");
  await web.claimTask("2", "ada");
  await web.releaseTask("2", "ada");
  await web.closeTask("2", "done");
  const reopened = await web.reopenTask("#2");
  expect([first.createdBy, imported.createdCount, reopened.status]).toEqual(["grace", 1, "open"]);
  expect((await web.listReadyTasks()).map(({ number }) => number)).toEqual([1, 2]);
  const room = host.room(projectRoomAddress("prj_web"));
  const actor = { kind: "person", id: "ada" } as const;
  room?.submit({
    key: "run",
    actor,
    command: { type: "run.start", options: { baseBranch: "main", concurrency: 1 } },
  });
  const [run] = await web.listRuns({ status: "running" });
  const [attempt] = await web.listAttempts(run?.runId);
  const [session] = await web.listSessions();
  if (run === undefined || attempt === undefined || session === undefined) throw new Error("nothing runs");
  expect((await web.run(run.runId)).attempts).toEqual([attempt]);
  expect((await web.attempt(attempt.attemptId)).taskId).toBe(first.taskId);
  expect((await web.session(session.sessionId)).session).toEqual(session);
  expect(await web.transcript(session.sessionId)).toEqual([]);
  expect((await web.killAttempt("1")).attemptId).toBe(attempt.attemptId);
  expect((await web.stopRun(run.runId, "now")).state).not.toBe("running");
  expect((await web.task("1")).comments.map(({ text }) => text)).toContain("a remark");
  expect((await web.why("1")).length).toBeGreaterThan(0);
  expect((await web.listTasks({ status: "open,in_progress", limit: 1 })).length).toBe(1);
  expect(await web.listChanges()).toEqual([]);
  expect((await web.stats()).runCount).toBe(1);
  expect((await web.events({ after: 1, limit: 2 })).map((event) => event.seq)).toEqual([2, 3]);
  expect([(await client.status()).pid, (await client.listProjects()).length]).toEqual([process.pid, 1]);
  await client.stop();
});

test("the server's refusals come back as its errors", async () => {
  const client = openClient({ baseUrl: server.baseUrl, token: TEST_TOKEN });
  const web = client.project("prj_web");
  const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
    await work.then(
      () => "no error",
      (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
    );
  await web.createTask({ title: "one" });
  await web.claimTask("1", "ada");
  const stranger = openClient({ baseUrl: server.baseUrl, token: "wrong" });
  const nowhere = openClient({ baseUrl: "http://127.0.0.1:1" });
  expect([
    await codeOf(web.claimTask("1", "bob")),
    await codeOf(web.task("99")),
    await codeOf(web.createTask({ title: "" })),
    await codeOf(client.project("prj_none").listTasks()),
    await codeOf(client.openProject("/nowhere")),
    await codeOf(stranger.status()),
    await codeOf(nowhere.status()),
    await codeOf(
      openClient({ baseUrl: "http://x", fetch: createUnixFetch(join(folder, "none.sock")) }).status(),
    ),
  ]).toEqual([
    "conflict",
    "thing.not-found",
    "request.invalid",
    "thing.not-found",
    "usage.invalid",
    "request.unauthorized",
    "daemon.unavailable",
    "daemon.unavailable",
  ]);
});

test.each(Object.entries(ways))(
  "a room that does not exist ends the subscription with its error, over %s",
  async (_way, options) => {
    const subscription = openClient(options()).subscribeRoom({
      room: projectView("prj_none"),
      signal: end.signal,
      onState: () => {},
    });
    await expect(subscription).rejects.toMatchObject({ code: "thing.not-found" });
  },
);

test.each([WebSocket, null])(
  "a wrong token ends the subscription with request.unauthorized",
  async (webSocket) => {
    const client = openClient({ baseUrl: server.baseUrl, token: "wrong", webSocket });
    const subscription = client.subscribeRoom({ room: nodeView(), signal: end.signal, onState: () => {} });
    await expect(subscription).rejects.toMatchObject({ code: "request.unauthorized" });
  },
);

test.each(Object.entries(ways))(
  "live text and activity arrive when asked for, over %s",
  async (_way, options) => {
    const seen: string[] = [];
    await openClient(options()).subscribeRoom({
      room: projectView("prj_web"),
      signal: end.signal,
      onState: () => {
        const activity = { attemptId: "att_a", taskId: "tsk_a", text: "reads", atMs: 1 };
        host.room("project/prj_web")?.publishLive({ type: "activity", activity });
      },
      onLive: (message) => {
        seen.push(message.type === "activity" ? message.activity.text : message.delta.text);
        end.abort();
      },
    });
    expect(seen).toEqual(["reads"]);
  },
);
