import type { Attempt, Change, ChangeState, ProjectEvent, Validation } from "@canopy/protocol";
import { changeStateSchema } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import { selectChangesByState, selectOverlaps, selectStacks, selectTrials } from "@canopy/core";
import type { Registry } from "prom-client";
import { Counter, Gauge, Histogram } from "prom-client";

const COST_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 50];
const VALIDATION_BUCKETS = [1, 5, 10, 30, 60, 120, 300, 600, 1800];
/** Changes and attempts that are remembered until they are over; more are forgotten at once. */
const MAX_REMEMBERED = 10_000;
const ENDED: ReadonlySet<ChangeState> = new Set(["landed", "abandoned"]);

const OPEN = changeStateSchema.options.filter((state) => !ENDED.has(state));

/** One project's room, for gauges. */
export interface ProjectOfGauge {
  readonly projectId: string;
  readonly room: RoomHandle;
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  if (map.size >= MAX_REMEMBERED) map.clear();
  map.set(key, value);
}

/** Counts every step of every change's ladder once, though each event carries all of them. */
function createLadderObserver(registry: Registry): (change: Change, atMs: number) => void {
  const registers = [registry];
  const labelNames = ["rung", "outcome"];
  const steps = new Counter({
    name: "canopy_merge_ladder_steps_total",
    help: "Steps of the ladder that gets changes past others' work, by rung and outcome",
    labelNames,
    registers,
  });
  const cost = new Counter({
    name: "canopy_merge_ladder_cost_usd_total",
    help: "Money that steps of the ladder cost, as far as agents say it",
    labelNames,
    registers,
  });
  const counted = new Map<string, number>();
  return ({ changeId, ladder, state }, atMs) => {
    // Of a change that this process did not see before, only what just happened is new.
    const known = counted.get(changeId) ?? ladder.findIndex((step) => step.atMs >= atMs);
    for (const { rung, outcome, costUsd } of known < 0 ? [] : ladder.slice(known)) {
      steps.inc({ rung, outcome });
      cost.inc({ rung, outcome }, costUsd ?? 0);
    }
    if (ENDED.has(state)) counted.delete(changeId);
    else remember(counted, changeId, ladder.length);
  };
}

function createValidationObserver(registry: Registry): (validation: Validation) => void {
  const registers = [registry];
  const validations = new Counter({
    name: "canopy_validations_total",
    help: "Validations of candidates, by outcome",
    labelNames: ["outcome"],
    registers,
  });
  const flaky = new Counter({
    name: "canopy_flaky_steps_total",
    help: "Steps of validations that failed and then passed on the same tree",
    registers,
  });
  const durations = new Histogram({
    name: "canopy_validation_duration_seconds",
    help: "Time that a validation took",
    labelNames: ["outcome"],
    buckets: VALIDATION_BUCKETS,
    registers,
  });
  return (validation) => {
    const outcome = validation.flaky ? "flaky" : validation.state;
    validations.inc({ outcome });
    flaky.inc(validation.flakySteps.length);
    durations.observe({ outcome }, validation.durationMs / 1000);
  };
}

/** What a landed change cost: its attempts, and the ladder's, as far as this process saw them. */
function createCostObserver(registry: Registry): {
  ended(attempt: Attempt): void;
  landed(change: Change): void;
} {
  const costs = new Histogram({
    name: "canopy_landed_change_cost_usd",
    help: "Money that a landed change cost: all attempts of its task, and agents of the ladder",
    buckets: COST_BUCKETS,
    registers: [registry],
  });
  const byTask = new Map<string, number>();
  return {
    ended: ({ taskId, usage }) => {
      if (usage.costUsd !== null) remember(byTask, taskId, (byTask.get(taskId) ?? 0) + usage.costUsd);
    },
    landed: ({ taskId }) => {
      const cost = byTask.get(taskId);
      byTask.delete(taskId);
      // A change whose agent does not say what it cost would pull the mean down.
      if (cost !== undefined) costs.observe(cost);
    },
  };
}

/** Registers what the queue counts from events; the returned function takes each event once, with its time. */
export function createQueueMetrics(registry: Registry): (event: ProjectEvent, atMs: number) => void {
  const observeLadder = createLadderObserver(registry);
  const observeValidation = createValidationObserver(registry);
  const costs = createCostObserver(registry);
  const red = new Counter({
    name: "canopy_red_changes_total",
    help: "Changes that broke the validation",
    registers: [registry],
  });
  return (event, atMs) => {
    if ("change" in event) observeLadder(event.change, atMs);
    // A repair that did not help says again that the change is red.
    if (event.type === "change.failing" && event.change.ladder.at(-1)?.atMs !== atMs) red.inc();
    else if (event.type === "validation.recorded") observeValidation(event.validation);
    else if (event.type === "attempt.ended") costs.ended(event.attempt);
    else if (event.type === "change.landed") costs.landed(event.change);
  };
}

/** Registers what of the queue is read when somebody asks. */
export function registerQueueGauges(registry: Registry, eachProject: () => Iterable<ProjectOfGauge>): void {
  const gauge = (
    definition: { readonly name: string; readonly help: string; readonly labelNames?: readonly string[] },
    collect: (gauge: Gauge, project: ProjectOfGauge) => void,
    reset: (gauge: Gauge) => void = (self) => self.set(0),
  ): void => {
    registry.registerMetric(
      new Gauge({
        ...definition,
        labelNames: [...(definition.labelNames ?? [])],
        registers: [],
        collect() {
          this.reset();
          reset(this);
          for (const project of eachProject()) collect(this, project);
        },
      }),
    );
  };
  gauge(
    {
      name: "canopy_merge_queue_changes",
      help: "Changes by state, landed and abandoned ones left out",
      labelNames: ["state"],
    },
    (self, { room }) => {
      for (const state of OPEN)
        self.inc({ state }, room.read((sql) => selectChangesByState(sql, state)).length);
    },
    (self) => {
      for (const state of OPEN) self.set({ state }, 0);
    },
  );
  gauge(
    {
      name: "canopy_merge_queue_window",
      help: "Candidates that are tried at once, by project, branch and lane",
      labelNames: ["project", "branch", "lane"],
    },
    (self, { projectId, room }) => {
      for (const { integrationRef, lane, window } of room.read((sql) => selectStacks(sql)))
        self.set({ project: projectId, branch: integrationRef.replace("refs/heads/", ""), lane }, window);
    },
    () => {},
  );
  gauge(
    { name: "canopy_validations_active", help: "Validations that are queued or at work" },
    (self, { room }) => self.inc(room.read((sql) => selectTrials(sql)).length),
  );
  gauge(
    { name: "canopy_session_overlaps", help: "Overlaps of running sessions with the branch or each other" },
    (self, { room }) => self.inc(room.read((sql) => selectOverlaps(sql)).length),
  );
}
