import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isCanopyError } from "@canopy/protocol";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { probeSandbox } from "./probe-sandbox.ts";
import { PROCESS_SETTINGS } from "./sandbox-settings.ts";
import type { SandboxLevel } from "./sandbox-settings.ts";

// Run by no-rights.e2e.test.ts without any right to mount or to make namespaces, as in most containers. Prints what each level is.
const [base = ""] = process.argv.slice(2);
const store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });

async function tryLevel(level: SandboxLevel): Promise<string> {
  try {
    await using workspace = await store.createWorkspace({
      workspaceId: `rights-${level}`,
      project: { projectId: "prj_rights", name: "rights" },
      source: { commit: "c", populate: (directory) => writeFile(join(directory, "file"), "content\n") },
      sandbox: { ...PROCESS_SETTINGS, level, network: "deny", limits: { openFileCount: 100 } },
    });
    const handle = await workspace.spawn(["sh", "-c", "cat file; ulimit -n"], { env: workspace.env });
    handle.endInput();
    let output = "";
    for await (const chunk of handle.stdout) output += Buffer.from(chunk).toString("utf8");
    return output.trim();
  } catch (error) {
    return isCanopyError(error) ? error.code : String(error);
  }
}

const levels = { process: await tryLevel("process"), sandbox: await tryLevel("sandbox") };
await store[Symbol.asyncDispose]();
const { isAvailable, fix } = await probeSandbox();
process.stdout.write(
  `${JSON.stringify({ backend: store.choice.backend, ...levels, isAvailable, hasFix: fix?.includes("namespaces") })}\n`,
);
