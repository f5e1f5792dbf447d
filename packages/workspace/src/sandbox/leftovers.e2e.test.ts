import { chown, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeTree } from "../remove-tree.ts";
import { playLeftovers } from "./test-support/play-leftovers.ts";
import { SCENARIO_USERS } from "./test-support/run-scenario.ts";

const NOTHING = { processes: 0, mounts: [], namespaces: 0, groups: [], files: [] };

test.each(SCENARIO_USERS)(
  "nothing is left of forty sandboxes, most of which were killed (%s)",
  async (user) => {
    const cacheDirectory = await realpath(await mkdtemp(join(tmpdir(), "canopy-left-")));
    try {
      if (user === "nobody") await chown(cacheDirectory, 65_534, 65_534);
      const prefix =
        user === "nobody" ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];
      const name = `left${user}`;
      const play = { cacheDirectory, prefix, name, rounds: 2, perRound: 20 };
      const { recovered, before, after } = await playLeftovers(play);
      expect(recovered).toEqual([6, 6]);
      // They were there: six at work, each with several processes and namespaces of its own.
      expect(before.processes).toBeGreaterThan(30);
      expect(before.namespaces).toBeGreaterThan(30);
      expect(before.mounts.length).toBeGreaterThan(0);
      expect(before.files.length).toBe(6);
      expect(after).toEqual(NOTHING);
    } finally {
      await removeTree(cacheDirectory);
    }
  },
);
