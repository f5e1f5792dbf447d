import type { Change, Json, LeasedJob } from "@canopy/protocol";
import { answerSchemas, queueAnswerSchemas, wireErrorSchema } from "@canopy/protocol";
import { projectRoomAddress, selectChanges } from "@canopy/core";
import { TEST_PERSON, TEST_RUNNER, attemptResult, buildOutcomes, stackBuild } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { TestServer } from "../contract/open-test-server.ts";
import { openTestServer } from "../contract/open-test-server.ts";
import type { QueuePorts } from "../server-ports.ts";

const PROJECT = "/projects/prj_web";

function parseJobs(result: Json): LeasedJob[] {
  return (result as unknown as { readonly jobs: LeasedJob[] }).jobs;
}

interface Rooms {
  submit(command: Record<string, Json>): Json;
  lease(kind: string): LeasedJob[];
  changes(): Change[];
}

function driveRoom(server: TestServer): Rooms {
  const room = server.host.room(projectRoomAddress("prj_web"));
  if (room === undefined) throw new Error("no room");
  let count = 0;
  const submit = (command: Record<string, Json>): Json => {
    count += 1;
    const answer = room.submit({ key: `drive-${count}`, actor: TEST_PERSON, command });
    if (answer.type === "rejection") throw new Error(answer.message);
    return answer.result;
  };
  return {
    submit,
    lease: (kind) =>
      parseJobs(submit({ type: "job.lease", runnerId: TEST_RUNNER, kinds: [kind], limit: 10 })),
    changes: () => room.read((sql) => selectChanges(sql)),
  };
}

/** Two tasks are done; the first one's change conflicts, the second one's is built. */
async function openQueue(server: TestServer): Promise<Rooms> {
  const rooms = driveRoom(server);
  rooms.submit({ type: "runner.register", runnerId: TEST_RUNNER, hostId: "host" });
  for (const title of ["bad", "good"]) await server.ask("POST", `${PROJECT}/tasks`, { title });
  rooms.submit({ type: "run.start", options: { baseBranch: "main", agent: "scripted" } });
  for (const { job } of rooms.lease("attempt"))
    rooms.submit({ type: "attempt.finish", jobId: job.jobId, fence: job.fence, result: attemptResult() });
  for (let jobs = rooms.lease("build"); jobs.length > 0; jobs = rooms.lease("build")) {
    for (const leased of jobs) {
      if (leased.payload.kind === "build")
        rooms.submit(stackBuild(leased, buildOutcomes(leased.payload, ["bad"])));
    }
  }
  return rooms;
}

function watchWakes(): { readonly wakes: string[]; readonly queue: QueuePorts } {
  const wakes: string[] = [];
  using server = openTestServer();
  const queue = {
    ...server.ports.queue,
    wake: async (id: string) => void (await Promise.resolve(wakes.push(id))),
  };
  return { wakes, queue };
}

test("the queue is shown with its order, stacks and pauses", async () => {
  using server = openTestServer();
  const rooms = await openQueue(server);
  const [bad, good] = rooms.changes();
  const paused = queueAnswerSchemas.branches.parse(
    await server.ask("POST", `${PROJECT}/queue/pause`, { reason: "a release" }),
  );
  const queue = queueAnswerSchemas.queue.parse(await server.ask("GET", `${PROJECT}/queue`));
  expect([bad?.state, good?.state]).toEqual(["conflicted", "landing"]);
  expect([queue.order, queue.stacks.map(({ lane, tip }) => [lane, tip]), queue.trials, queue.pauses]).toEqual(
    [
      [good?.changeId],
      [["*", "tip"]],
      [],
      [{ integrationRef: "refs/heads/canopy/main", untilMs: null, reason: "a release" }],
    ],
  );
  expect(paused).toEqual({ branches: ["canopy/main"], requeuedCount: 0 });
});

test("a pause is by branch, whichever way it is named, and resuming wakes the runner", async () => {
  const { wakes, queue } = watchWakes();
  using server = openTestServer({ queue });
  const pausesAfter = async (verb: string, body: object): Promise<string[]> => {
    await server.ask("POST", `${PROJECT}/queue/${verb}`, body);
    const view = queueAnswerSchemas.queue.parse(await server.ask("GET", `${PROJECT}/queue`));
    return view.pauses.map((pause) => pause.integrationRef);
  };
  expect([
    await pausesAfter("pause", { branch: "main" }),
    await pausesAfter("pause", { branch: "canopy/next" }),
    await pausesAfter("resume", { branch: "refs/heads/canopy/main" }),
    await pausesAfter("resume", {}),
  ]).toEqual([
    ["refs/heads/canopy/main"],
    ["refs/heads/canopy/main", "refs/heads/canopy/next"],
    ["refs/heads/canopy/next"],
    [],
  ]);
  expect(wakes).toEqual(["prj_web", "prj_web"]);
});

test("a change is paused, ejected, tried again, reordered and abandoned", async () => {
  const { wakes, queue } = watchWakes();
  using server = openTestServer({ queue });
  const rooms = await openQueue(server);
  const changeId = rooms.changes()[0]?.changeId ?? "";
  const stateAfter = async (verb: string, body?: object): Promise<unknown> => {
    const response = await server.request("POST", `/api/v1${PROJECT}/changes/${changeId}/${verb}`, body);
    const answer: unknown = await response.json();
    if (!response.ok) return wireErrorSchema.parse(answer).error.rejection;
    expect(answerSchemas.changeId.parse(answer)).toEqual({ changeId });
    const { change } = answerSchemas.change.parse(await server.ask("GET", `${PROJECT}/changes/${changeId}`));
    return [change.state, change.reason];
  };
  expect([
    await stateAfter("pause", { reason: "not now" }),
    await stateAfter("eject", {}),
    await stateAfter("reorder", { to: "first" }),
    await stateAfter("accept-loss"),
    await stateAfter("requeue"),
    await stateAfter("reorder", { to: "first" }),
    await stateAfter("abandon", { reason: "no longer wanted" }),
  ]).toEqual([
    ["paused", "not now"],
    ["ejected", "ejected by ada@example.org"],
    "change.wrong-state",
    "change.wrong-state",
    ["queued", null],
    ["queued", null],
    ["abandoned", "no longer wanted"],
  ]);
  expect(wakes).toEqual(["prj_web"]);
});

test("a patch comes as JSON in base64, or as it is", async () => {
  using plain = openTestServer();
  const patch = new Uint8Array(100_000).fill(233);
  const exportPatch: QueuePorts["exportPatch"] = async (_projectId, ref) =>
    await Promise.resolve({ ref, commit: "c1", patch });
  using server = openTestServer({ queue: { ...plain.ports.queue, exportPatch } });
  const path = `${PROJECT}/patches/failed%2Fchg_1%2F1`;
  const answer = queueAnswerSchemas.patch.parse(await server.ask("GET", path));
  expect([answer.ref, Buffer.from(answer.patch, "base64").equals(Buffer.from(patch))]).toEqual([
    "failed/chg_1/1",
    true,
  ]);
  const raw = await server.request("GET", `/api/v1${path}?format=patch`);
  expect([
    raw.headers.get("content-type"),
    Buffer.from(await raw.arrayBuffer()).equals(Buffer.from(patch)),
  ]).toEqual(["text/x-patch", true]);
});

test("choices are checked and filled before they reach git", async () => {
  using plain = openTestServer();
  const seen: unknown[] = [];
  const resolve: QueuePorts["resolve"] = async (projectId, changeId, request, { actor }) => {
    seen.push([projectId, changeId, request, actor.id]);
    const kept = { commit: "c", baseCommit: "b", ref: "refs/canopy/resolved/chg_1", paths: [] };
    return await Promise.resolve(queueAnswerSchemas.resolution.parse({ changeId, ...kept }));
  };
  using server = openTestServer({ queue: { ...plain.ports.queue, resolve } });
  const path = `${PROJECT}/changes/chg_1/resolve`;
  await server.ask("POST", path, {
    choices: { a: { take: "ours" }, b: { content: "x" }, c: { delete: true } },
  });
  const bad = await server.request("POST", `/api/v1${path}`, { choices: { a: { take: "mine" } } });
  expect([bad.status, seen]).toEqual([
    400,
    [
      [
        "prj_web",
        "chg_1",
        {
          choices: { a: { take: "ours" }, b: { content: "x", encoding: "utf8" }, c: { delete: true } },
          detail: "",
        },
        "ada@example.org",
      ],
    ],
  ]);
});
