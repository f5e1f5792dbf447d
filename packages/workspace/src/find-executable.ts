import { access, constants, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { CanopyError } from "@canopy/protocol";

async function isExecutable(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => null);
  if (info?.isFile() !== true) return false;
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Where a program is looked for. `root` is put before every absolute path: the root of a mount namespace, or "". */
export interface ExecutableSearch {
  readonly program: string;
  readonly path: string | undefined;
  readonly cwd: string;
  readonly root: string;
}

/** Throws `agent.not-found` when a program does not exist or cannot be executed. */
export async function requireExecutable({ program, path, cwd, root }: ExecutableSearch): Promise<void> {
  const folders = program.includes("/") ? [""] : (path ?? "/usr/local/bin:/usr/bin:/bin").split(":");
  for (const folder of folders) {
    const candidate = join(folder, program);
    const absolute = isAbsolute(candidate) ? candidate : join(cwd, candidate);
    // A link inside a namespace that points to an absolute path is resolved outside of it; both have the same programs.
    if (await isExecutable(root + absolute)) return;
  }
  const where = program.includes("/") ? "" : " on PATH";
  throw new CanopyError("agent.not-found", `${program} was not found${where}, or cannot be executed`, {
    hint: "Install it, or name it by its full path.",
    data: { program, path: path ?? null },
  });
}
