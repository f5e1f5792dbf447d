import { CanopyError } from "@canopy/protocol";
import type { SpawnProcess } from "@canopy/protocol";

/** Refuses a way that leads over a link; what is at the path itself is replaced, not written through. */
const CHECK = `set -e
parent=$1
while :; do
  case $parent in */*) parent=\${parent%/*} ;; *) break ;; esac
  [ ! -L "$parent" ] || exit 3
done
`;
const WRITE = `${CHECK}case $1 in */*) mkdir -p -- "\${1%/*}" ;; esac
rm -rf -- "$1"
cat > "$1"`;
const REMOVE = `${CHECK}rm -rf -- "$1"`;

/** Where to write: `spawn` starts processes that may do no more than the agent. */
export interface InsideTarget {
  readonly spawn: SpawnProcess;
  readonly env: Readonly<Record<string, string>>;
  /** Relative to the root of the workspace. */
  readonly path: string;
}

/**
 * Writes a file of a workspace (null: removes it) by a process inside. Canopy itself must never write there by path: an agent
 * may have put a link in the way that leads out. Throws `workspace.failed` when one is there.
 */
export async function writeInside(
  { spawn, env, path }: InsideTarget,
  content: string | Uint8Array | null,
): Promise<void> {
  const handle = await spawn(["/bin/sh", "-c", content === null ? REMOVE : WRITE, "sh", path], { env });
  const drain = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const _chunk of stream);
  };
  const draining = Promise.all([drain(handle.stdout), drain(handle.stderr)]);
  if (content !== null) await handle.write(content);
  handle.endInput();
  const exit = await handle.exited;
  await draining;
  if (exit.code === 0) return;
  const why = exit.code === 3 ? "a link is in the way" : `sh ended with ${String(exit.code ?? exit.signal)}`;
  throw new CanopyError("workspace.failed", `${path} could not be written in the workspace: ${why}`);
}
