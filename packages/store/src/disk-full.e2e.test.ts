import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const WRITER = join(import.meta.dirname, "contract", "disk-full-writer.ts");

/** Mounts only exist inside the namespace, so nothing is left when the shell ends. */
function runOnSmallDisk(folder: string, command: readonly string[]): ReturnType<typeof spawnSync> {
  const script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"';
  const args = ["--user", "--map-root-user", "--mount", "sh", "-c", script, folder, ...command];
  return spawnSync("unshare", args, { encoding: "utf8" });
}

const probe = mkdtempSync(join(tmpdir(), "canopy-probe-"));
const canMount = runOnSmallDisk(probe, ["true"]).status === 0;
rmSync(probe, { recursive: true });

test.skipIf(!canMount)(
  "a full disk is disk.full, loses nothing, and is over when there is space again",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "canopy-full-"));
    try {
      const result = runOnSmallDisk(folder, [process.execPath, WRITER, folder]);
      expect(result.stderr).toBe("");
      const report = JSON.parse(String(result.stdout)) as {
        readonly last: string;
        readonly accepted: number;
        readonly seqWhenFull: number;
        readonly afterwards: string;
        readonly noteCount: number;
        readonly events: readonly number[];
      };
      expect(report).toEqual({
        last: "disk.full",
        accepted: report.seqWhenFull,
        seqWhenFull: report.seqWhenFull,
        afterwards: "accepted",
        noteCount: report.seqWhenFull + 1,
        events: Array.from({ length: report.seqWhenFull + 1 }, (_, index) => index + 1),
      });
      expect(report.accepted).toBeGreaterThan(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
