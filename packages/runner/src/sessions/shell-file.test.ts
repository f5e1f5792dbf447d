import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveAgent } from "@canopy/agents";
import { expect, test } from "vitest";
import { createProcessEnvironment, createShellFile, writeShellFile } from "./shell-file.ts";

test("bash sees its task whatever its title holds, and no key of the agent's", async () => {
  const homeDirectory = await mkdtemp(join(tmpdir(), "canopy-shell-"));
  await mkdir(join(homeDirectory, ".canopy"));
  const agent = resolveAgent("copilot", {}, "/");
  const shown = { GITHUB_TOKEN: "a", ANTHROPIC_AUTH_TOKEN: "b", OTHER_API_KEY: "c", FLAVOUR: "mint" };
  const title = 'It\'s $HOME `x`\n\\ "quoted" !';
  const task = { taskId: "tsk_1", title, description: "", sessionId: "ses_1", workspace: "/w" };
  await writeShellFile(homeDirectory, createShellFile(agent, shown, task));
  // The first one stays.
  await writeShellFile(homeDirectory, "exit 1");
  const env = createProcessEnvironment(agent, { env: {}, homeDirectory }, shown);
  const script =
    'printf "%s|%s|" "$CANOPY_TASK_ID" "$CANOPY_TASK_TITLE"; echo "$GITHUB_TOKEN$ANTHROPIC_AUTH_TOKEN$OTHER_API_KEY|$FLAVOUR"';
  expect(execFileSync("bash", ["-c", script], { env, encoding: "utf8" })).toBe(`tsk_1|${title}||mint\n`);
  await rm(homeDirectory, { recursive: true });
});
