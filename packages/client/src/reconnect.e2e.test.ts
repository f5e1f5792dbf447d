import { setImmediate as nextTurn } from "node:timers/promises";
import { createRandom, selectProjectState } from "@canopy/core";
import type { RoomHost } from "@canopy/core";
import type { ProjectState } from "@canopy/protocol";
import { projectStateSchema } from "@canopy/protocol";
import { hostRoom } from "@canopy/testkit";
import { expect, test } from "vitest";
import { startCuttingProxy } from "./contract/cutting-proxy.ts";
import type { ProjectStory } from "./contract/project-story.ts";
import { openProjectStory } from "./contract/project-story.ts";
import { TEST_TOKEN, startTestServer } from "./contract/start-test-server.ts";
import type { Client } from "./open-client.ts";
import { openClient } from "./open-client.ts";
import { projectView } from "./state/room-view.ts";

const STEPS = 1500;
const DEADLINE_MS = 60_000;
const RECONNECT = { firstMs: 1, maxMs: 5 };

/** What one client has, and whether every event came once and in order. */
interface Copy {
  state: ProjectState | undefined;
  seq: number;
  snapshotCount: number;
  readonly faults: string[];
}

function follow(client: Client, signal: AbortSignal): { readonly copy: Copy; readonly done: Promise<void> } {
  const copy: Copy = { state: undefined, seq: -1, snapshotCount: 0, faults: [] };
  const done = client.subscribeRoom({
    room: projectView("prj_story"),
    signal,
    onState: (state, seq, event) => {
      if (event === null) copy.snapshotCount += 1;
      else if (seq !== copy.seq + 1 || event.seq !== seq)
        copy.faults.push(`event ${event.seq} after ${copy.seq}`);
      copy.state = state;
      copy.seq = seq;
    },
  });
  return { copy, done };
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what()}`);
    await nextTurn();
  }
}

function hostOf(story: ProjectStory): RoomHost {
  const room = hostRoom(story.driver.room, story.driver);
  return { room: (address) => (address === "project/prj_story" ? room : undefined) };
}

test.each(["websocket", "sse"] as const)(
  "a client that is cut at random bytes ends as one that was never cut: %s",
  async (transport) => {
    const seed = Number(process.env["CANOPY_TEST_SEED"] ?? Date.now() % 1_000_000);
    const story = openProjectStory(seed);
    const otherHosts: string[] = [];
    await using server = await startTestServer({ host: hostOf(story), otherHosts: () => otherHosts });
    await using proxy = await startCuttingProxy({
      targetPort: server.port,
      maxBytes: 60_000,
      random: createRandom(seed + 2),
    });
    otherHosts.push(`127.0.0.1:${proxy.port}`);
    const end = new AbortController();
    const webSocket = transport === "websocket" ? WebSocket : null;
    const common = { token: TEST_TOKEN, webSocket, reconnect: RECONNECT };
    const whole = follow(openClient({ ...common, baseUrl: server.baseUrl }), end.signal);
    const cut = follow(openClient({ ...common, baseUrl: `http://127.0.0.1:${proxy.port}` }), end.signal);
    for (let step = 0; step < STEPS; step += 1) {
      story.step();
      await nextTurn();
    }
    await until(
      () => proxy.cutCount >= 30,
      () => `${proxy.cutCount} cuts (seed ${seed})`,
    );
    proxy.isCutting = false;
    const lastSeq = story.driver.room.lastSeq;
    await until(
      () => whole.copy.seq === lastSeq && cut.copy.seq === lastSeq,
      () => `${whole.copy.seq} and ${cut.copy.seq} of ${lastSeq} (seed ${seed})`,
    );
    end.abort();
    await Promise.all([whole.done, cut.done]);
    process.stderr.write(
      `${transport}: ${proxy.cutCount} cuts, ${lastSeq} events, ${cut.copy.snapshotCount} snapshots, seed ${seed}\n`,
    );
    expect([whole.copy.faults, cut.copy.faults], `seed ${seed}`).toEqual([[], []]);
    expect(whole.copy.snapshotCount).toBe(1);
    expect(cut.copy.state, `seed ${seed}`).toEqual(whole.copy.state);
    expect(whole.copy.state).toEqual(projectStateSchema.parse(selectProjectState(story.driver.room.sql)));
  },
);
