import type { Change, Json, LeasedJob, QueuePolicy } from "@canopy/protocol";
import { createRandom, selectActiveAttempts, selectTrials } from "@canopy/core";
import type { FakeCommit } from "./fake-repository.ts";
import { FakeRepository } from "./fake-repository.ts";
import type { ProjectDriver } from "./project-driver.ts";
import { attemptResult, failedResult, openProjectDriver } from "./project-driver.ts";
import { testBudget, testQueuePolicy } from "./test-queue-policy.ts";

const CELLS = 12;
const BRANCH = "refs/heads/canopy/main";

/** What a simulation saw that must never be. Empty when all is well. */
export type Breach = string;

/**
 * One world: a project room, a repository in memory, and a runner that is killed at any step of the journal. Agents finish
 * with random edits, some of which conflict, break the validation alone or together, or cannot be mended; validations flake
 * and hang; a person commits to the branch by hand, rewrites the base, pauses, ejects, retries and reorders.
 */
export class QueueSimulation {
  readonly driver: ProjectDriver;
  readonly repository = new FakeRepository();
  readonly breaches: Breach[] = [];
  /** The user's checkout: nothing but the person writes it. */
  readonly #checkout = "refs/heads/main";
  readonly #random: () => number;
  readonly #policy: QueuePolicy;
  readonly #flaked = new Set<string>();
  readonly #landed = new Set<string>();
  readonly #before = new Map<string, Change>();
  readonly #setAside = new Set<string>();
  #held: LeasedJob[] = [];
  #runnerCount = 0;
  #editCount = 0;
  #checkoutCommit: string;
  /** Trees of the branch that a person made, which the queue cannot answer for. */
  readonly #byHand = new Set<string>();

  constructor(seed: number) {
    this.driver = openProjectDriver(seed);
    this.#random = createRandom(seed);
    this.#policy = testQueuePolicy({
      mode: "strict",
      validators: 1 + Math.floor(this.#random() * 3),
      handBack: testBudget(1),
      resolver: testBudget(1),
      repair: testBudget(this.chance(0.5) ? 2 : 0),
    });
    this.#checkoutCommit = this.repository.readRef(this.#checkout) ?? "";
    this.#byHand.add(this.repository.treeOf(this.#checkoutCommit));
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  addTasks(count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const on = String(1 + Math.floor(this.#random() * (number - 1)));
      const dependencies = number > 1 && this.chance(0.2) ? [{ on }] : [];
      this.driver.addTask(`task ${number}`, { dependencies, priority: Math.floor(this.#random() * 5) });
    }
  }

  /** One thing happens; then everything that must always hold is looked at. */
  step(): void {
    if (this.chance(0.03)) this.#killRunner();
    if (this.chance(0.03)) this.driver.restart();
    if (this.chance(0.01)) this.#commitByHand();
    if (this.chance(0.02)) this.#actAsPerson();
    this.#lease();
    const [leased] = this.#held.splice(Math.floor(this.#random() * this.#held.length), 1);
    if (leased === undefined) this.driver.advance(5000);
    else this.#carryOut(leased);
    this.#look();
  }

  /** Once nothing moves any more: lets a person take care of all that waits for one, with good answers. */
  resolveAll(): void {
    for (const change of this.driver.changes()) {
      if (change.state === "paused" || change.state === "ejected")
        this.#submitAsPerson({ type: "change.requeue", changeId: change.changeId });
    }
    this.driver.submit({ type: "queue.resume", integrationRef: BRANCH });
  }

  #tip(): string {
    return this.repository.readRef(BRANCH) ?? this.repository.readRef("refs/heads/main") ?? "";
  }

  /** Red are cells that say so, and two that are fine alone but not together. */
  #isRed(commit: string): boolean {
    const values = [...this.repository.read(commit).cells.values()];
    return (
      values.some((value) => value.includes("bad")) ||
      values.filter((value) => value.includes("odd")).length >= 2
    );
  }

  #value(): string {
    this.#editCount += 1;
    const roll = this.#random();
    const kind = roll < 0.12 ? "bad" : roll < 0.25 ? "odd" : "fine";
    return `${kind} ${this.#editCount}`;
  }

  #lease(): void {
    const runnerId = `rnr_sim${this.#runnerCount}`;
    const kinds = ["attempt", "build", "validate", "move", "regenerate"];
    const answer = this.driver.accept({ type: "job.lease", runnerId, kinds, limit: 4 });
    this.#held.push(...((answer["jobs"] ?? []) as unknown as LeasedJob[]));
  }

  #killRunner(): void {
    this.#runnerCount += 1;
    this.#held = [];
    const runnerId = `rnr_sim${this.#runnerCount}`;
    this.driver.accept({ type: "runner.register", runnerId, hostId: "host" });
  }

  /** A person commits on the integration branch, or the base was rewritten and is merged in: the branch moves. */
  #commitByHand(): void {
    const edits = { [`hand${Math.floor(this.#random() * 3)}`]: `by hand ${(this.#editCount += 1)}` };
    const commit = this.repository.edit(this.#tip(), edits);
    this.repository.moveRef(BRANCH, this.repository.readRef(BRANCH), commit.id);
    this.#byHand.add(this.repository.treeOf(commit.id));
  }

  #actAsPerson(): void {
    const changes = this.driver.changes();
    const change = changes[Math.floor(this.#random() * changes.length)];
    if (change === undefined) return;
    const { changeId } = change;
    const commands: readonly Record<string, Json>[] = [
      { type: "change.pause", changeId },
      { type: "change.eject", changeId },
      { type: "change.requeue", changeId },
      { type: "change.reorder", changeId, to: "first" },
      { type: "queue.pause", integrationRef: BRANCH },
      { type: "queue.resume", integrationRef: BRANCH },
      { type: "queue.resume", integrationRef: BRANCH },
    ];
    this.#submitAsPerson(commands[Math.floor(this.#random() * commands.length)] ?? {});
  }

  #submitAsPerson(command: Record<string, Json>): void {
    const { type, changeId } = command;
    if (this.driver.submit(command).type === "rejection" || typeof changeId !== "string") return;
    if (type === "change.pause" || type === "change.eject") this.#setAside.add(changeId);
    else if (type === "change.requeue") this.#setAside.delete(changeId);
  }

  #carryOut(leased: LeasedJob): void {
    const { payload, job } = leased;
    const lease = { jobId: job.jobId, fence: job.fence };
    if (payload.kind !== "attempt" && this.chance(0.04)) {
      this.driver.submit({ type: "job.fail", ...lease, reason: "the disk is full", how: "retry" });
      return;
    }
    switch (payload.kind) {
      case "attempt":
        this.driver.submit({ type: "attempt.finish", ...lease, result: this.#finish(payload) });
        return;
      case "build": {
        const built = this.repository.build(payload);
        if (this.chance(0.03)) return this.#killRunner();
        const { tip } = built;
        const tree = this.repository.treeOf(tip);
        const report = { ...built, tipTree: tree, tipKey: tree, policy: this.#policy };
        this.driver.submit({ type: "stack.build", ...lease, onto: payload.onto, ...report });
        return;
      }
      case "validate":
        this.#validate(lease, payload);
        return;
      case "move": {
        const { landing } = payload;
        const current = this.repository.readRef(BRANCH);
        if (this.chance(0.03)) return this.#killRunner();
        const isThere = current !== null && this.repository.isAncestor(landing.newCommit, current);
        const landed = isThere || this.repository.moveRef(BRANCH, landing.oldCommit, landing.newCommit);
        // Killed between the move and its report: the landing is asked for again.
        if (this.chance(0.1)) return this.#killRunner();
        this.driver.submit({ type: "landing.finish", ...lease, landingId: landing.landingId, landed });
        return;
      }
      default:
        throw new Error(`nothing asks for ${payload.kind} here`);
    }
  }

  #validate(
    lease: { readonly jobId: string; readonly fence: number },
    { trial }: Extract<LeasedJob["payload"], { kind: "validate" }>,
  ): void {
    // A hanging validation ends as timed out; a runner may also die over it.
    if (this.chance(0.03)) return this.#killRunner();
    const isRed = this.#isRed(trial.commit);
    const isFlaking = !isRed && !this.#flaked.has(trial.key) && this.chance(0.1);
    if (isFlaking) this.#flaked.add(trial.key);
    const state = isRed || isFlaking ? "failed" : "passed";
    const how = this.chance(0.3) ? "timed-out" : "failed";
    const step = {
      name: "test",
      state: state === "passed" ? "passed" : how,
      required: true,
      exitCode: state === "passed" ? 0 : 1,
      durationMs: 1,
      output: "",
    };
    const { key, commit } = trial;
    const validation = {
      tree: key,
      commandsHash: "commands",
      commit,
      state,
      flaky: false,
      steps: [step],
      durationMs: 1,
    };
    this.driver.submit({ type: "validation.record", ...lease, validation });
  }

  #finish(payload: Extract<LeasedJob["payload"], { kind: "attempt" }>): Record<string, Json> {
    const roll = this.#random();
    if (roll < 0.05) return failedResult("crash");
    if (roll < 0.08) return attemptResult({ outcome: "interrupted", capture: null });
    const { ladder } = payload;
    if (ladder === null) {
      const base = this.#tip();
      const edits: Record<string, string> = { [`cell${Math.floor(this.#random() * CELLS)}`]: this.#value() };
      return this.#captured(base, this.repository.edit(base, edits).id);
    }
    if (roll < 0.35) return failedResult("conflict");
    if (ladder.rung === "repair") {
      const { parent, cells } = this.repository.read(ladder.tip);
      const mended = [...cells].map(([cell, value]): [string, string] => [
        cell,
        value.replace(/bad|odd/, "mended"),
      ]);
      return this.#captured(parent ?? "", this.repository.commit(parent, new Map(mended), null).id);
    }
    const { cells, conflicts } = this.repository.merge(ladder.tip, ladder);
    const theirs = this.repository.read(ladder.commit).cells;
    const merged = new Map(cells);
    for (const cell of conflicts) merged.set(cell, `${cells.get(cell) ?? ""} + ${theirs.get(cell) ?? ""}`);
    return this.#captured(ladder.tip, this.repository.commit(ladder.tip, merged, null).id);
  }

  #captured(baseCommit: string, commit: string): Record<string, Json> {
    const capture = {
      ref: "refs/canopy/attempts/x",
      commit,
      tree: this.repository.treeOf(commit),
      filesChanged: 1,
    };
    return attemptResult({ baseCommit, capture });
  }

  #breach(text: string): void {
    if (!this.breaches.includes(text)) this.breaches.push(text);
  }

  /** Everything that must hold after every step. */
  #look(): void {
    const tip = this.repository.readRef(BRANCH);
    if (this.repository.readRef(this.#checkout) !== this.#checkoutCommit)
      this.#breach("the user's checkout was touched");
    if (tip !== null && this.#isRed(tip) && !this.#byHand.has(this.repository.treeOf(tip)))
      this.#breach(`the branch is red at ${tip}`);
    this.#lookAtHistory(tip === null ? [] : this.repository.history(tip));
    this.#lookAtAgents();
  }

  #lookAtHistory(history: readonly FakeCommit[]): void {
    const landings = history.map((commit) => commit.lands).filter((lands) => lands !== null);
    if (new Set(landings).size < landings.length) this.#breach("a change is contained twice");
    const commits = new Set<string | null>(history.map((commit) => commit.id));
    const changes = this.driver.changes();
    const known = new Set<string>(changes.map((change) => change.changeId));
    for (const changeId of this.#landed) if (!known.has(changeId)) this.#breach(`${changeId} was lost`);
    for (const change of changes) {
      const { changeId, state, landedCommit } = change;
      this.#lookAtStep(change, this.#before.get(changeId));
      this.#before.set(changeId, change);
      if (state === "landed") {
        this.#landed.add(changeId);
        if (!commits.has(landedCommit)) this.#breach(`${changeId} landed outside the branch`);
      } else if (this.#landed.has(changeId)) this.#breach(`${changeId} was landed and is ${state}`);
    }
  }

  /** What one step may not do to a change. */
  #lookAtStep({ changeId, state, revision, commit }: Change, before: Change | undefined): void {
    const isAside = this.#setAside.has(changeId);
    if (isAside && ["queued", "building", "testing", "landing", "landed"].includes(state))
      this.#breach(`${changeId} is ${state} although a person set it aside`);
    if ((state === "paused" || state === "ejected") && !isAside)
      this.#breach(`${changeId} is ${state}, and nobody said so`);
    if (before !== undefined && revision > before.revision && commit === before.commit)
      this.#breach(`${changeId} was resolved and has its old work`);
  }

  #lookAtAgents(): void {
    const active = selectActiveAttempts(this.driver.room.sql);
    if (active.length > 5) this.#breach("more attempts than the run's concurrency");
    if (new Set(active.map((attempt) => attempt.taskId)).size < active.length)
      this.#breach("a task is in two attempts");
    // What was cancelled may still be running.
    const trialCount = selectTrials(this.driver.room.sql).length;
    if (trialCount > this.#policy.validators + 8) this.#breach("too many validations at once");
  }
}
