import { expect, test } from "vitest";
import type { LeasedJob } from "@canopy/protocol";
import { createRandom } from "../kernel/random.ts";
import { selectActiveAttempts } from "../runs/run-rows.ts";
import { selectTasks } from "../tasks/select-tasks.ts";
import { TEST_RUNNER, attemptResult, failedResult, openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";

const CAUSES = ["crash", "timeout", "rate-limit", "workspace"];

/** One simulated world: random outcomes, conflicts, kills, lost runners and restarts until the run is over. */
class Simulation {
  readonly driver: ProjectDriver;
  readonly #random: () => number;
  #runnerCount = 0;
  #held: LeasedJob[] = [];
  #landedTwice: string[] = [];
  readonly #landed = new Set<string>();

  constructor(seed: number) {
    this.driver = openProjectDriver(seed);
    this.#random = createRandom(seed);
  }

  get landedTwice(): readonly string[] {
    return this.#landedTwice;
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  addTasks(count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const dependencies: { on: string }[] = [];
      for (let tries = 0; tries < (number > 1 ? 2 : 0); tries += 1) {
        const on = String(1 + Math.floor(this.#random() * (number - 1)));
        if (this.chance(0.3) && !dependencies.some((other) => other.on === on)) dependencies.push({ on });
      }
      this.driver.addTask(`task ${number}`, { dependencies, priority: Math.floor(this.#random() * 5) });
    }
  }

  step(): void {
    const { driver } = this;
    if (this.chance(0.03)) this.#loseRunner();
    if (this.chance(0.05)) driver.restart();
    if (this.chance(0.02)) this.#killSomething();
    const runnerId = this.#runnerCount === 0 ? TEST_RUNNER : `rnr_${this.#runnerCount}`;
    const kinds = ["attempt", "land", "verify-landing"];
    const answer = driver.accept({ type: "job.lease", runnerId, kinds, limit: 3 });
    this.#held.push(...((answer["jobs"] ?? []) as unknown as LeasedJob[]));
    const index = Math.floor(this.#random() * this.#held.length);
    const [job] = this.#held.splice(index, 1);
    if (job === undefined) driver.advance(60_000);
    else this.#carryOut(job);
  }

  #loseRunner(): void {
    this.#runnerCount += 1;
    this.#held = [];
    this.driver.accept({ type: "runner.register", runnerId: `rnr_${this.#runnerCount}`, hostId: "host" });
  }

  #killSomething(): void {
    const [attempt] = selectActiveAttempts(this.driver.room.sql);
    if (attempt !== undefined) this.driver.submit({ type: "attempt.kill", target: attempt.attemptId });
  }

  #carryOut(leased: LeasedJob): void {
    const lease = { jobId: leased.job.jobId, fence: leased.job.fence };
    if (leased.payload.kind === "attempt") {
      this.driver.submit({ type: "attempt.finish", ...lease, result: this.#outcome() });
      return;
    }
    if (leased.payload.kind === "verify-landing") {
      const { landing } = leased.payload;
      const landed = this.chance(0.5);
      this.#finishLanding(lease, landing.landingId, landed);
      return;
    }
    if (this.chance(0.1)) {
      this.driver.submit({ type: "landing.fail", ...lease, reason: "busy", retry: true });
      return;
    }
    const outcomes = leased.payload.items.map((item) =>
      this.chance(0.1)
        ? { changeId: item.changeId, state: "conflicted", conflicts: [], message: "conflict" }
        : { changeId: item.changeId, state: "merged", commit: `c-${item.changeId}` },
    );
    const intended = this.driver.accept({
      type: "landing.intend",
      ...lease,
      oldCommit: "o",
      newCommit: "n",
      outcomes,
    });
    const landingId = intended["landingId"];
    // Sometimes the runner dies between the intent and its end.
    if (typeof landingId !== "string") return;
    if (this.chance(0.1)) this.#loseRunner();
    else this.#finishLanding(lease, landingId, this.chance(0.8));
  }

  #finishLanding(lease: { jobId: string; fence: number }, landingId: string, landed: boolean): void {
    const before = this.driver.room.lastSeq;
    this.driver.submit({ type: "landing.finish", ...lease, landingId, landed });
    for (const event of this.driver.room.eventsAfter(before, 1000)) {
      if (event.type !== "change.landed") continue;
      const { change } = event.payload as unknown as { change: { changeId: string } };
      if (this.#landed.has(change.changeId)) this.#landedTwice.push(change.changeId);
      this.#landed.add(change.changeId);
    }
  }

  #outcome(): ReturnType<typeof attemptResult> {
    const roll = this.#random();
    if (roll < 0.6) return attemptResult();
    if (roll < 0.7) return attemptResult({ outcome: "unchanged", capture: null });
    if (roll < 0.75) return attemptResult({ outcome: "interrupted", capture: null });
    return failedResult(CAUSES[Math.floor(this.#random() * CAUSES.length)] ?? "crash");
  }
}

test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
  "[MQ8] seed %i: every task ends somewhere and lands at most once",
  (seed) => {
    const world = new Simulation(seed);
    const { driver } = world;
    world.addTasks(25);
    const run = driver.startRun({ concurrency: 5, maxRetries: 2 });
    for (let step = 0; driver.run(run.runId).state === "running"; step += 1) {
      expect(step, "the run does not end").toBeLessThan(5000);
      world.step();
      const active = selectActiveAttempts(driver.room.sql);
      expect(active.length).toBeLessThanOrEqual(5);
      expect(new Set(active.map((attempt) => attempt.taskId)).size).toBe(active.length);
    }
    expect(world.landedTwice).toEqual([]);
    const changes = driver.changes();
    for (const task of selectTasks(driver.room.sql)) {
      const landed = changes.filter((change) => change.taskId === task.taskId && change.state === "landed");
      expect(landed.length).toBeLessThanOrEqual(1);
      // A task closes by landing, or because nothing needed changing; nothing is left claimed.
      expect(task.status === "closed").toBe(
        landed.length === 1 || task.closeReason?.startsWith("no change") === true,
      );
      expect(task.claim).toBeNull();
    }
    expect(changes.filter((change) => ["queued", "landing"].includes(change.state))).toEqual([]);
    const before = driver.dump();
    driver.room.replay();
    expect(driver.dump()).toEqual(before);
  },
);
