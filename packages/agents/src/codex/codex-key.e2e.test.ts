import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { EventCollector, findRealAgent } from "@canopy/testkit";
import { expect, test } from "vitest";
import { createModelScript } from "../scripted-model/model-script.ts";
import { startScriptedModel } from "../scripted-model/start-scripted-model.ts";
import { spawnLocal } from "../session/spawn-local.ts";
import { createCodexDriver } from "./codex-driver.ts";

const KEY = "sk-canary-77c1e0";
const program = findRealAgent("codex");

test.skipIf(program === null)(
  "the real codex uses the key that it is told, and its tools find it nowhere",
  async () => {
    const base = path.join(process.cwd(), "node_modules", ".cache", "canopy-codex-key");
    await mkdir(base, { recursive: true });
    const folder = await mkdtemp(path.join(base, "run-"));
    const [home, tmp, cwd] = ["home", "tmp", "work"].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const each of [home, tmp, cwd]) await mkdir(each);
    const model = await startScriptedModel();
    const provider = `{name="Local",base_url="${model.url}/v1",wire_api="responses",requires_openai_auth=true,stream_max_retries=1,request_max_retries=0}`;
    const args = [
      'model_provider="local"',
      `model_providers.local=${provider}`,
      "check_for_update_on_startup=false",
      "analytics.enabled=false",
      "features.plugins=false",
      "features.apps=false",
    ].flatMap((setting) => ["-c", setting]);
    const session = await createCodexDriver({ name: "codex", command: program ?? "", args }).start({
      spawn: spawnLocal,
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmp, OPENAI_API_KEY: KEY },
      secretNames: ["OPENAI_API_KEY"],
      model: "scripted-1",
      systemAppend: null,
      mcpServers: [],
      permissionPolicy: "allow-all",
      resume: null,
      task: null,
      signal: new AbortController().signal,
    });
    const collector = new EventCollector(session.events);
    // The pattern does not find itself: in no command line, and in nothing that codex writes down.
    const look =
      "(env; cat /proc/[0-9]*/environ; grep -rah 'sk-canar[y]' \"$HOME\") 2>/dev/null | tr '\\0' '\\n'";
    const command = `${look} | grep -c 'sk-canar[y]' > found.txt; true`;
    const script = createModelScript([{ tool: "bash", args: { command } }, { text: "looked" }], "base64");
    expect((await session.prompt(`Do it. ${script}`)).lastMessage).toBe("looked");
    await session.close();
    await collector.ended;
    await model.close();
    const asked = model.requests.filter(({ stepIndex }) => stepIndex !== null);
    // Values of such headers are left out of the log; without a key there is no header.
    expect(asked.map(({ headers }) => headers["authorization"])).toEqual(["(left out)", "(left out)"]);
    expect((await readFile(path.join(cwd, "found.txt"), "utf8")).trim()).toBe("0");
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  },
);
