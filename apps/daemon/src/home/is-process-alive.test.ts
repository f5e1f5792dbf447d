import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isProcessAlive } from "./is-process-alive.ts";

test("this process runs", () => {
  expect(isProcessAlive(process.pid)).toBe(true);
});

test.skipIf(process.platform !== "linux")(
  "one that ended and that nobody collects does not run",
  async () => {
    // The shell leaves its background process uncollected, for it has become something that collects nothing.
    const parent = spawn("sh", ["-c", "cat <&3 & echo $!; exec sleep 60 3<&-"], {
      stdio: ["ignore", "pipe", "inherit", "pipe"],
    });
    const { stdout } = parent;
    if (stdout === null) throw new Error("the shell has no output");
    const [line] = (await once(stdout, "data")) as [Buffer];
    const pid = Number(String(line));
    await expect.poll(() => readFileSync(`/proc/${parent.pid}/cmdline`, "latin1")).toBe("sleep\x0060\0");
    expect(isProcessAlive(pid)).toBe(true);
    parent.stdio[3]?.destroy();
    await expect.poll(() => isProcessAlive(pid)).toBe(false);
    // It is still there.
    expect(process.kill(pid, 0)).toBe(true);
    const ended = once(parent, "exit");
    parent.kill();
    await ended;
    await expect.poll(() => isProcessAlive(parent.pid ?? 0)).toBe(false);
  },
);
