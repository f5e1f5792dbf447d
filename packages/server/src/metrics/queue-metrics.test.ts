import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EventEnvelope } from "@canopy/protocol";
import {
  attemptResult,
  buildOutcomes,
  moveAll,
  openProjectDriver,
  stackBuild,
  testBudget,
  testQueuePolicy,
} from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import { expect, test } from "vitest";
import { openTestServer } from "../contract/open-test-server.ts";
import type { PrometheusMetrics } from "./create-metrics.ts";
import { createMetrics } from "./create-metrics.ts";

const DASHBOARD = join(import.meta.dirname, "../../../../docs/grafana/canopy.json");

function metricsOf(server: ReturnType<typeof openTestServer>): PrometheusMetrics {
  return createMetrics({
    host: server.host,
    feedCounts: () => undefined,
    memoryBytes: () => 1,
    overlayMounts: () => 0,
    rooms: () => [],
  });
}

async function samples(metrics: PrometheusMetrics, pattern: RegExp): Promise<string[]> {
  return (await metrics.render()).split("\n").filter((line) => pattern.test(line));
}

/** A change conflicts, a resolver is tried in vain, another one works, and it lands. */
function resolveConflict(driver: ProjectDriver): void {
  driver.addTask("clash");
  driver.startRun();
  const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0.5 };
  for (const leased of driver.lease()) driver.finish(leased, attemptResult({ usage }));
  const policy = testQueuePolicy({ resolver: testBudget(2) });
  const build = (conflicts: readonly string[]): void => {
    for (const leased of driver.lease(["build"])) {
      if (leased.payload.kind !== "build") continue;
      driver.accept(stackBuild(leased, buildOutcomes(leased.payload, conflicts), policy));
    }
  };
  build(["clash"]);
  for (const outcome of ["unchanged", "succeeded"]) {
    driver.advance(1000);
    const [leased] = driver.lease();
    if (leased === undefined) throw new Error("no resolver was started");
    const capture = outcome === "unchanged" ? { capture: null } : {};
    driver.finish(leased, attemptResult({ outcome, usage, ...capture }));
  }
  build([]);
  moveAll(driver);
}

test("every step of a ladder is counted once, and what the landed change cost", async () => {
  using server = openTestServer();
  const metrics = metricsOf(server);
  const driver = openProjectDriver();
  resolveConflict(driver);
  expect(driver.changes().map((change) => change.state)).toEqual(["landed"]);
  metrics.observeEvents(driver.room.eventsAfter(0, 10_000));
  const pattern = /^canopy_(merge_ladder|landed_change_cost_usd_(sum|count)|merge_conflicts_total)/;
  expect(await samples(metrics, pattern)).toEqual([
    "canopy_merge_conflicts_total 1",
    'canopy_merge_ladder_steps_total{rung="resolver",outcome="failed"} 1',
    'canopy_merge_ladder_steps_total{rung="resolver",outcome="worked"} 1',
    'canopy_merge_ladder_steps_total{rung="three-way",outcome="worked"} 1',
    'canopy_merge_ladder_cost_usd_total{rung="resolver",outcome="failed"} 0.5',
    'canopy_merge_ladder_cost_usd_total{rung="resolver",outcome="worked"} 0.5',
    'canopy_merge_ladder_cost_usd_total{rung="three-way",outcome="worked"} 0',
    "canopy_landed_change_cost_usd_sum 1.5",
    "canopy_landed_change_cost_usd_count 1",
  ]);
});

test("a daemon that starts amid a ladder counts only what is new", async () => {
  using server = openTestServer();
  const metrics = metricsOf(server);
  const driver = openProjectDriver();
  resolveConflict(driver);
  const landed = driver.room.eventsAfter(0, 10_000).filter((event) => event.type === "change.landed");
  metrics.observeEvents(landed);
  expect(await samples(metrics, /^canopy_merge_ladder_steps_total/)).not.toContain(
    'canopy_merge_ladder_steps_total{rung="resolver",outcome="failed"} 1',
  );
});

test("validations are counted by outcome", async () => {
  using server = openTestServer();
  const metrics = metricsOf(server);
  const recorded = (state: "passed" | "failed", flakySteps: string[]): EventEnvelope => {
    const validation = {
      tree: "t",
      commandsHash: "h",
      commit: "c",
      state,
      flaky: flakySteps.length > 0,
      flakySteps,
      tries: 2,
      steps: [],
      durationMs: 2000,
    };
    const [template] = openProjectDriver().room.eventsAfter(0, 1);
    if (template === undefined) throw new Error("no event");
    return { ...template, type: "validation.recorded", payload: { validation } };
  };
  metrics.observeEvents([
    recorded("passed", []),
    recorded("passed", ["unit", "e2e"]),
    recorded("failed", []),
  ]);
  expect(
    await samples(metrics, /^canopy_(validations_total|flaky_steps_total|validation_duration_seconds_sum)/),
  ).toEqual([
    'canopy_validations_total{outcome="passed"} 1',
    'canopy_validations_total{outcome="flaky"} 1',
    'canopy_validations_total{outcome="failed"} 1',
    "canopy_flaky_steps_total 2",
    'canopy_validation_duration_seconds_sum{outcome="passed"} 2',
    'canopy_validation_duration_seconds_sum{outcome="flaky"} 2',
    'canopy_validation_duration_seconds_sum{outcome="failed"} 2',
  ]);
});

test("every metric of the dashboard is served, and the queue's gauges are in it", async () => {
  using server = openTestServer();
  const served = new Set(
    (await samples(metricsOf(server), /^# TYPE /)).map((line) => line.split(" ")[2] ?? ""),
  );
  const text = readFileSync(DASHBOARD, "utf8");
  const used = new Set(text.match(/canopy_[a-z_]+/g));
  const missing = [...used].filter(
    (name) => !served.has(name) && !served.has(name.replace(/_(bucket|sum|count)$/, "")),
  );
  expect(missing).toEqual([]);
  expect(used.size).toBeGreaterThan(15);
  expect([...served].filter((name) => /queue|ladder|validation/.test(name) && !text.includes(name))).toEqual(
    [],
  );
});
