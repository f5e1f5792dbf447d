import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { SpawnProcess } from "@canopy/protocol";
import {
  EventCollector,
  GEMINI_SETTINGS,
  createRealAgentDriver,
  findRealAgent,
  launchRealAgent,
} from "@canopy/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createModelScript } from "./scripted-model/model-script.ts";
import { startScriptedModel } from "./scripted-model/start-scripted-model.ts";
import type { ScriptedModel } from "./scripted-model/start-scripted-model.ts";
import { spawnLocal } from "./session/spawn-local.ts";

/**
 * Runs a command on top of the whole machine's files: what it writes anywhere but in its own folder goes to a layer, whose
 * files are listed at the end. Arguments: the own folder, the working directory, the command.
 */
const ON_A_LAYER = `
exec 3<&0; own=$1; cwd=$2; shift 2
layer=$own/.layer; mkdir -p $layer/upper $layer/work $layer/root
mount -t overlay overlay -o lowerdir=/,upperdir=$layer/upper,workdir=$layer/work $layer/root
for path in $own /proc /dev /sys; do mount --rbind $path $layer/root$path; done
chroot $layer/root sh -c 'cd "$1" && shift && exec "$@"' sh "$cwd" "$@" <&3 &
agent=$!
trap 'kill -TERM $agent 2>/dev/null' TERM
wait $agent; wait $agent
cd $layer/upper && find . -type f -o -type l > $own/outside.txt
`;

const canLayer = process.platform === "linux" && process.getuid?.() === 0;
let model: ScriptedModel;
beforeAll(async () => {
  model = await startScriptedModel();
});
afterAll(async () => await model.close());

function spawnOnALayer(own: string): SpawnProcess {
  return (command, options) => {
    const cwd = options.cwd ?? own;
    const whole = [
      "unshare",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      ON_A_LAYER,
      "sh",
      own,
      cwd,
      ...command,
    ];
    return spawnLocal(["/usr/bin/env", ...whole], { ...options, cwd: own });
  };
}

test.skipIf(!canLayer)("a file that is written outside would be found", async () => {
  const base = path.join(process.cwd(), "node_modules", ".cache");
  await mkdir(base, { recursive: true });
  const own = await mkdtemp(path.join(base, "canopy-layer-"));
  const command = ["sh", "-c", "cat > inside.txt; touch /var/tmp/canopy-outside"] as const;
  const child = await spawnOnALayer(own)(command, { cwd: own, env: { PATH: process.env["PATH"] ?? "" } });
  child.endInput();
  for await (const chunk of child.stderr) throw new Error(String(chunk));
  expect(await child.exited).toEqual({ code: 0, signal: null });
  await child.stop(0);
  expect(await readFile(path.join(own, "outside.txt"), "utf8")).toBe("./var/tmp/canopy-outside\n");
  await rm(own, { recursive: true });
});

describe.each(["claude", "codex", "opencode", "gemini"] as const)("the real %s", (name) => {
  const program = findRealAgent(name);

  test.skipIf(program === null || !canLayer)(
    "writes no file outside its private folders and the workspace",
    async () => {
      const base = path.join(process.cwd(), "node_modules", ".cache", "canopy-agent-files");
      await mkdir(base, { recursive: true });
      const own = await mkdtemp(path.join(base, `${name}-`));
      try {
        const [home, tmp, cwd] = ["home", "tmp", "work"].map((folder) => path.join(own, folder)) as [
          string,
          string,
          string,
        ];
        await mkdir(path.join(home, ".gemini"), { recursive: true });
        await writeFile(path.join(home, ".gemini", "settings.json"), GEMINI_SETTINGS);
        await mkdir(tmp);
        await mkdir(cwd);
        execFileSync("git", ["init", "-q", cwd]);
        const launch = launchRealAgent(name, program ?? "", model.url);
        const session = await createRealAgentDriver(name, launch).start({
          spawn: spawnOnALayer(own),
          cwd,
          env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmp, TERM: "dumb", ...launch.env },
          model: launch.model,
          systemAppend: "CANOPY",
          mcpServers: [],
          permissionPolicy: "allow-all",
          resume: null,
          task: null,
          signal: new AbortController().signal,
        });
        const collector = new EventCollector(session.events);
        const script = createModelScript([
          { tool: "write", args: { path: path.join(cwd, "made.txt"), content: "made\n" } },
          { tool: "bash", args: { command: "echo hi > also.txt" } },
          { text: "done" },
        ]);
        expect((await session.prompt(`Do it. ${script}`)).lastMessage).toBe("done");
        await session.close();
        await collector.ended;
        expect(await readFile(path.join(cwd, "made.txt"), "utf8")).toBe("made\n");
        const outside = (await readFile(path.join(own, "outside.txt"), "utf8"))
          .split("\n")
          .filter((line) => line !== "");
        expect(outside).toEqual([]);
      } finally {
        await rm(own, { recursive: true, force: true, maxRetries: 3 });
      }
    },
  );
});
