import { execFile } from "node:child_process";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { removeTree } from "../remove-tree.ts";

const run = promisify(execFile);
const SCENARIO = join(import.meta.dirname, "no-rights-scenario.ts");
/** A user namespace that allows no other, without capabilities: what a container without mount rights has. */
const TAKE_AWAY = `echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"`;

test.skipIf(process.platform !== "linux")(
  "without the right to mount, the default level is an error and not a weaker level, and the lesser one still works",
  async () => {
    const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-rights-")));
    try {
      const args = ["-U", "--map-root-user", "sh", "-c", TAKE_AWAY, "sh", process.execPath, SCENARIO, base];
      const { stdout } = await run("unshare", args);
      expect(JSON.parse(stdout)).toEqual({
        backend: "worktree",
        process: "content\n100",
        sandbox: "sandbox.unavailable",
        isAvailable: false,
        hasFix: true,
      });
    } finally {
      await removeTree(base);
    }
  },
);
