import type { ChildProcessHandle, SpawnOptions } from "@canopy/protocol";
import { requireExecutable } from "../find-executable.ts";
import { killMarked } from "../process-table.ts";
import { startProcess } from "../spawned-process.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import { mark, requireFolder } from "../workspace-view.ts";
import type { ResourceGroup } from "./resource-group.ts";
import type { Sandbox } from "./open-sandbox.ts";

/** What a sandboxed view is made from: the view of the files that it stands in, and the sandbox. */
export interface SandboxViewParts {
  readonly workspaceId: string;
  readonly outer: WorkspaceView;
  readonly sandbox: Sandbox;
  readonly group: ResourceGroup;
}

/** Perl reads these before the program can hide them, so they travel under another name. */
const PERL_VARIABLES = new Set(["PERL5OPT", "PERL5LIB", "PERLLIB", "PERL5DB"]);

function hidePerlVariables(env: SpawnOptions["env"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      PERL_VARIABLES.has(name) ? `CANOPY_KEPT_${name}` : name,
      value,
    ]),
  );
}

/** The view of a workspace whose processes are started in its sandbox. Canopy's own commands still run outside of it. */
export function createSandboxView({ workspaceId, outer, sandbox, group }: SandboxViewParts): WorkspaceView {
  const live = new Set<string>();
  const killTree = async (marker: string): Promise<void> => {
    const isAlone = [...live].every((other) => other === marker);
    await (isAlone ? sandbox.killAll() : killMarked(marker));
    live.delete(marker);
  };
  return {
    root: outer.root,
    enter: outer.enter,
    holder: outer.holder,
    async start(command, cwd, env): Promise<ChildProcessHandle> {
      const [program] = command;
      await requireFolder(`${sandbox.root}${cwd}`, cwd);
      await requireExecutable({ program, path: env["PATH"], cwd, root: sandbox.root });
      const marked = mark(workspaceId, { ...sandbox.env, ...env });
      live.add(marked.marker);
      const handle = await startProcess({
        command: sandbox.enter(cwd, command),
        cwd: "/",
        env: hidePerlVariables(marked.env),
        isEntered: true,
        killTree: () => killTree(marked.marker),
      }).catch((error: unknown) => {
        live.delete(marked.marker);
        throw error;
      });
      void handle.exited.then(() => live.delete(marked.marker));
      return handle;
    },
    killAll: () => sandbox.killAll(),
    async whilePaused(work) {
      await sandbox.pauseAll(true);
      try {
        return await work();
      } finally {
        await sandbox.pauseAll(false);
      }
    },
    released: () => outer.released(),
    async [Symbol.asyncDispose](): Promise<void> {
      await outer[Symbol.asyncDispose]();
      await sandbox[Symbol.asyncDispose]();
      await group[Symbol.asyncDispose]();
    },
  };
}
