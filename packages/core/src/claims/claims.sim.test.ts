import { expect, test } from "vitest";
import { assert as check, commands, constantFrom, integer, modelRun, property } from "fast-check";
import type { Command } from "fast-check";
import { CoordinationRoom, TEST_WORKTREE as TREE, testTarget } from "@canopy/testkit";
import type { Claim } from "@canopy/protocol";

const PATHS = ["a", "b", "src/", "src/x"] as const;
const TTL_MS = 20_000;

/** What the rules of claims come to, said a second time and as plainly as can be: one holder, no line, no reservations. */
class Model {
  nowMs = 0;
  /** Path to who holds it until when. */
  readonly held = new Map<string, { readonly who: number; readonly untilMs: number }>();
  readonly gone = new Set<number>();
  lastFence = 0;

  expire(): void {
    for (const [path, { untilMs }] of this.held) if (untilMs <= this.nowMs) this.held.delete(path);
  }

  blockerOf(who: number, path: string): number | null {
    for (const [other, claim] of this.held) {
      const overlap =
        other === path || (path === "src/" && other === "src/x") || (path === "src/x" && other === "src/");
      if (overlap && claim.who !== who) return claim.who;
    }
    return null;
  }
}

class World {
  readonly room: CoordinationRoom;
  readonly ids: string[];

  constructor(seed: number) {
    this.room = new CoordinationRoom(seed);
    this.ids = [0, 1, 2, 3].map((index) => this.room.join(`s${index}`, { pid: 100 + index }));
  }

  id(who: number): string {
    return this.ids[who] ?? "";
  }
}

function heldByPath(world: World): Record<string, number> {
  const rows = world.room.test.room.sql.exec("SELECT value FROM claims ORDER BY fence");
  const claims = rows.map((row) => JSON.parse(String(row["value"])) as Claim);
  return Object.fromEntries(claims.map((claim) => [claim.target.label, world.ids.indexOf(claim.sessionId)]));
}

function agree(model: Model, world: World): void {
  const expected = Object.fromEntries([...model.held].map(([path, { who }]) => [path, who]));
  expect(heldByPath(world)).toEqual(expected);
}

abstract class Step implements Command<Model, World> {
  readonly who: number;
  readonly path: string;

  constructor(who: number, path: string) {
    this.who = who;
    this.path = path;
  }

  abstract act(model: Model, world: World): void;

  check(model: Readonly<Model>): boolean {
    return !model.gone.has(this.who);
  }

  run(model: Model, world: World): void {
    this.act(model, world);
    agree(model, world);
  }

  toString(): string {
    return `${this.constructor.name}(${this.who}, ${this.path})`;
  }
}

class Acquire extends Step {
  act(model: Model, world: World): void {
    const answer = world.room.test.submit({
      type: "claim.acquire",
      sessionId: world.id(this.who),
      targets: [testTarget(this.path)],
      worktree: TREE,
      ttlMs: TTL_MS,
    });
    const blocker = model.blockerOf(this.who, this.path);
    expect(answer.type === "rejection" ? answer.code : null).toBe(blocker === null ? null : "claim.conflict");
    if (answer.type === "rejection") return;
    const known = model.held.get(this.path);
    const left = (known?.untilMs ?? 0) - model.nowMs;
    const { claims } = answer.result as unknown as { readonly claims: readonly Claim[] };
    // Used again: prolonged once less than half is left.
    const untilMs = known !== undefined && left >= TTL_MS / 2 ? known.untilMs : model.nowMs + TTL_MS;
    model.held.set(this.path, { who: this.who, untilMs });
    if (known !== undefined) return;
    expect(claims[0]?.fence).toBeGreaterThan(model.lastFence);
    model.lastFence = claims[0]?.fence ?? 0;
  }
}

class Release extends Step {
  act(model: Model, world: World): void {
    world.room.release(world.id(this.who), this.path);
    if (model.held.get(this.path)?.who === this.who) model.held.delete(this.path);
  }
}

class Renew extends Step {
  override check(model: Readonly<Model>): boolean {
    return super.check(model) && model.held.get(this.path)?.who === this.who;
  }

  act(model: Model, world: World): void {
    const [row] = world.room.test.room.sql.exec(
      "SELECT claim_id FROM claims WHERE session_id = ? AND key = ?",
      world.id(this.who),
      this.path.replace(/\/$/, ""),
    );
    const claimIds = [row?.["claim_id"]];
    world.room.test.accept({ type: "claim.renew", sessionId: world.id(this.who), claimIds, ttlMs: TTL_MS });
    model.held.set(this.path, { who: this.who, untilMs: model.nowMs + TTL_MS });
  }
}

class Force extends Step {
  override check(model: Readonly<Model>): boolean {
    return model.held.has(this.path);
  }

  act(model: Model, world: World): void {
    const rows = world.room.test.room.sql.exec(
      "SELECT claim_id FROM claims WHERE key = ?",
      this.path.replace(/\/$/, ""),
    );
    const claimIds = rows.map((row) => row["claim_id"]);
    world.room.test.accept({ type: "claim.force", claimIds, reason: "test" });
    model.held.delete(this.path);
  }
}

class Kill extends Step {
  act(model: Model, world: World): void {
    const pid = 100 + this.who;
    const process = { pid, startedAt: `start-${pid}`, bootId: "boot" };
    const sessions = [{ sessionId: world.id(this.who), process, reason: "killed" }];
    world.room.test.accept({ type: "presence.report-dead", sessions });
    for (const [path, claim] of model.held) if (claim.who === this.who) model.held.delete(path);
    model.gone.add(this.who);
  }
}

class Return extends Step {
  override check(model: Readonly<Model>): boolean {
    return model.gone.has(this.who);
  }

  act(model: Model, world: World): void {
    expect(world.room.join(`s${this.who}`, { pid: 100 + this.who, source: "again" })).toBe(
      world.id(this.who),
    );
    model.gone.delete(this.who);
  }
}

class Advance extends Step {
  override check(): boolean {
    return true;
  }

  act(model: Model, world: World): void {
    const ms = [1, 9000, 15_000, 25_000][this.who] ?? 1;
    world.room.test.advance(ms);
    model.nowMs += ms;
    model.expire();
  }
}

class Restart extends Step {
  override check(): boolean {
    return true;
  }

  act(_model: Model, world: World): void {
    const before = world.room.test.dump();
    world.room.test.restart();
    world.room.test.room.replay();
    expect(world.room.test.dump()).toEqual(before);
  }
}

const STEPS = [Acquire, Acquire, Acquire, Release, Renew, Force, Kill, Return, Advance, Advance, Restart];

test("[CL15] random histories of claim, renew, release, expire, force, kill and restart answer as the plain model does", () => {
  const who = integer({ min: 0, max: 3 });
  const path = constantFrom(...PATHS);
  const steps = STEPS.map((Kind) =>
    who.chain((one) => path.map((where): Command<Model, World> => new Kind(one, where))),
  );
  check(
    property(
      commands(steps, { maxCommands: 80, size: "max" }),
      integer({ min: 1, max: 1e6 }),
      (history, seed) => {
        modelRun(() => ({ model: new Model(), real: new World(seed) }), history);
      },
    ),
    { numRuns: 150 },
  );
});
