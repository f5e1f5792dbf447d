import { projectRoomAddress } from "@canopy/core";
import { failedResult, attemptResult, openProjectDriver } from "@canopy/testkit";
import { expect, test } from "vitest";
import type { FeedCounts } from "../feed/room-feed.ts";
import { openTestServer } from "../contract/open-test-server.ts";
import type { PrometheusMetrics } from "./create-metrics.ts";
import { createMetrics } from "./create-metrics.ts";

async function readSamples(metrics: PrometheusMetrics, names: readonly string[]): Promise<string[]> {
  const lines = (await metrics.render()).split("\n");
  return lines.filter((line) =>
    names.some((name) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)),
  );
}

test("events of a run are counted: tokens, cost, failures, retries, landings, conflicts", async () => {
  using server = openTestServer();
  const metrics = createMetrics({
    host: server.host,
    feedCounts: () => undefined,
    memoryBytes: () => 1,
    overlayMounts: () => 0,
    rooms: () => [],
  });
  const driver = openProjectDriver();
  for (const title of ["good", "bad"]) driver.addTask(title);
  driver.startRun({ concurrency: 2, agent: "command:secret --key=1" });
  const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0.25 };
  const [first, second] = driver.lease(["attempt"]);
  if (first === undefined || second === undefined) throw new Error("no jobs");
  driver.finish(first, attemptResult({ usage }));
  driver.finish(second, failedResult("crash"));
  driver.advance(3_600_000);
  for (const job of driver.lease(["attempt"])) driver.finish(job, attemptResult());
  driver.land(["bad"]);
  driver.land(["bad"]);
  metrics.observeEvents(driver.room.eventsAfter(0, 10_000));
  const names = [
    "canopy_tokens_total",
    "canopy_cost_usd_total",
    "canopy_attempt_failures_total",
    "canopy_retries_total",
    "canopy_changes_landed_total",
    "canopy_merge_conflicts_total",
    "canopy_merge_queue_wait_seconds_count",
  ];
  const samples = await readSamples(metrics, names);
  expect(samples).toEqual(
    expect.arrayContaining([
      'canopy_tokens_total{agent="command",kind="input"} 10',
      'canopy_cost_usd_total{agent="command"} 0.25',
      'canopy_attempt_failures_total{cause="crash"} 1',
      'canopy_retries_total{cause="crash"} 1',
      "canopy_changes_landed_total 1",
      "canopy_merge_conflicts_total 1",
      "canopy_merge_queue_wait_seconds_count 1",
    ]),
  );
  expect(await metrics.render()).not.toContain("secret");
});

test("gauges are read from the rooms when somebody asks", async () => {
  let counts: FeedCounts | undefined;
  const metricsOf = (server: ReturnType<typeof openTestServer>): PrometheusMetrics =>
    createMetrics({
      host: server.host,
      feedCounts: () => counts,
      memoryBytes: () => 42,
      overlayMounts: () => 3,
      rooms: () => [{ address: "project/prj_web", sizeBytes: 4096, eventCount: 7 }],
    });
  using server = openTestServer();
  const metrics = metricsOf(server);
  counts = server.server.feeds.counts;
  const room = server.host.room(projectRoomAddress("prj_web"));
  const actor = { kind: "person", id: "ada" } as const;
  room?.submit({ key: "one", actor, command: { type: "task.create", task: { title: "x" } } });
  room?.submit({ key: "two", actor, command: { type: "run.start", options: { baseBranch: "main" } } });
  await server.request("GET", "/api/v1/projects/prj_web/events/stream");
  const names = [
    "canopy_active_agents",
    "canopy_merge_queue_depth",
    "canopy_overlay_mounts",
    "canopy_event_subscribers",
    "canopy_snapshots_sent_total",
    "canopy_room_size_bytes",
    "canopy_room_events",
    "process_resident_memory_bytes",
  ];
  expect(await readSamples(metrics, names)).toEqual([
    "canopy_merge_queue_depth 0",
    'canopy_active_agents{status="queued"} 1',
    'canopy_active_agents{status="running"} 0',
    "canopy_overlay_mounts 3",
    'canopy_event_subscribers{transport="websocket"} 0',
    'canopy_event_subscribers{transport="sse"} 1',
    "canopy_snapshots_sent_total 1",
    'canopy_room_size_bytes{room="project/prj_web"} 4096',
    'canopy_room_events{room="project/prj_web"} 7',
    "process_resident_memory_bytes 42",
  ]);
});

test("requests are timed by pattern, and /metrics serves it all", async () => {
  using outer = openTestServer();
  const metrics = createMetrics({
    host: outer.host,
    feedCounts: () => undefined,
    memoryBytes: () => 1,
    overlayMounts: () => 0,
    rooms: () => [],
  });
  using server = openTestServer({ metrics });
  await server.request("GET", "/api/v1/projects/prj_web/tasks/17");
  await server.request("GET", "/api/v1/whatever");
  const response = await server.request("GET", "/metrics");
  expect([response.status, response.headers.get("content-type")]).toEqual([200, metrics.contentType]);
  const text = await response.text();
  expect(
    text.split("\n").filter((line) => line.startsWith("canopy_http_request_duration_seconds_count")),
  ).toEqual([
    'canopy_http_request_duration_seconds_count{method="GET",route="/projects/:project/tasks/:task",status="404"} 1',
    'canopy_http_request_duration_seconds_count{method="GET",route="other",status="404"} 1',
  ]);
});
