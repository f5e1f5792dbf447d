import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What a checkout's git needs so that the upper directory of an overlay can tell it what may have changed. */
export interface GitMonitor {
  /** The path in the checkout of a configuration file that its git reads when it is there. */
  readonly configFile: string;
  /** What the checkout's index says it is up to date with. */
  readonly token: string;
  /** The commit that the checkout holds, unchanged. */
  readonly commit: string;
}

/** Where a monitored overlay is. */
export interface MonitoredOverlay {
  /** The file of the program; outside the workspace. */
  readonly programFile: string;
  readonly upperDirectory: string;
  /** The root of the files, for a process inside. */
  readonly path: string;
  /** True when folders may be mounted in it, of which the upper directory tells nothing. */
  readonly hasMounts: boolean;
}

// `$1` and `$2` are git's: the version of the protocol and the token in the index. Everything printed counts as changed; a
// failure makes git look at every file. docs/decisions/0005-fsmonitor.md says why the answer is always complete.
const PROGRAM = `
export LC_ALL=C
exec 2>/dev/null
everything() { printf '%s\\0/\\0' "$token"; exit 0; }
[ "$1" = 2 ] || exit 1
[ "$2" = "$token" ] || everything
# A linked worktree, a copy, or other files under this git directory: nothing is known about them.
cd -P . && [ "$PWD" = "$path" ] || exit 1
# Only our overlay may be seen here, and no other mount in it but those we know.
mounts=$(grep -F -e " $mounted " -e " $mounted/" /proc/self/mountinfo) || exit 1
case $mounts in *" $mounted "*" - overlay "*"upperdir=upper,workdir=work"*) ;; *) exit 1 ;; esac
set -f
IFS='
'
set -- $mounts
[ $# = $((mount_count + 1)) ] || everything
git() { command git --no-replace-objects -c core.fsmonitor=false "$@"; }
printf '%s\\0' "$token"
# Until git writes an index of the workspace's own, it has the layer's, which knows only what is in the layer.
index=$upper/.git/index
if [ -n "\${GIT_INDEX_FILE+set}\${GIT_DIR+set}" ] || [ ! -d .git ] || [ -L .git ] || [ -e "$index" ] || [ -L "$index" ]; then
  printf '.canopy-monitor\\0'
  git diff-index --cached --name-only --no-renames --no-ext-diff --ita-visible-in-index -z "$commit" -- || exit 1
fi
cd "$upper" || exit 1
# A folder that is no merge with the layer below (nlink 1 in the overlay) hides whatever the layer has there. A file system
# that does not count links (nlink 1 in the upper directory) cannot tell. Git does not take paths like git~1 for real.
exec find . -mindepth 1 -name .git -prune -o \\( \\
  ! -path './*/*' -printf '.canopy-monitor\\0' , \\
  -type d \\( -iname .git -o -iname '.git[. :\\\\]*' -o -iname 'git~1*' \\) -exec false {} + -o \\
  -type d -printf '%P/.canopy-monitor\\0' \\( -links 1 -printf '%P\\0%P/\\0' -o -exec sh -c '
    cd "$0" && exec find "$@" -maxdepth 0 -links +1 -exec sh -c '\\''
      for folder; do printf "%s\\0%s/\\0" "\${folder#./}" "\${folder#./}"; done'\\'' sh "{"} +' "$path" {} + \\) -o \\
  -type c -printf '%P\\0%P/\\0' -o -printf '%P\\0' \\)
`;

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function quoteConfig(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A path as /proc/self/mountinfo writes it. */
function escapeMount(path: string): string {
  return path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** True when paths and names of a monitor can be written into its files as they are. */
function isWritable(monitor: GitMonitor, overlay: MonitoredOverlay): boolean {
  const texts = [overlay.programFile, overlay.upperDirectory, overlay.path, monitor.configFile];
  return texts.every((text) => !/\p{Cc}/u.test(text)) && /^[0-9a-f]{40,64}$/.test(monitor.commit);
}

/**
 * Writes what makes git in a workspace use the program, into the still unmounted upper directory. False, and nothing is
 * written, when a path is too odd for that.
 */
export async function writeMonitorConfig(monitor: GitMonitor, overlay: MonitoredOverlay): Promise<boolean> {
  if (!isWritable(monitor, overlay)) return false;
  const file = join(overlay.upperDirectory, monitor.configFile);
  await mkdir(dirname(file), { recursive: true });
  const command = /^[\w/.,:@+-]+$/.test(overlay.programFile)
    ? overlay.programFile
    : quote(overlay.programFile);
  // With the cache of untracked files on, git would take the program's word for the folders in those mounts too.
  const untracked = overlay.hasMounts ? "\tuntrackedCache = false\n" : "";
  const lines = `\tfsmonitor = ${quoteConfig(command)}\n\tfsmonitorHookVersion = 2\n${untracked}`;
  await writeFile(file, `[core]\n${lines}`);
  return true;
}

/**
 * Writes the program that answers git inside the workspace with all that may differ from the layers. `mountCount` is how many
 * folders are mounted over the workspace; with more or fewer the program knows nothing.
 */
export async function writeMonitorProgram(
  monitor: GitMonitor,
  overlay: MonitoredOverlay,
  mountCount: number,
): Promise<void> {
  const head = [
    "#!/bin/sh",
    "# Tells git in this workspace what may have changed: see packages/workspace/src/change-monitor.ts.",
    `token=${quote(monitor.token)}`,
    `commit=${monitor.commit}`,
    `upper=${quote(overlay.upperDirectory)}`,
    `path=${quote(overlay.path)}`,
    `mounted=${quote(escapeMount(overlay.path))}`,
    `mount_count=${mountCount}`,
  ];
  await writeFile(overlay.programFile, `${head.join("\n")}${PROGRAM}`, { mode: 0o755 });
}
