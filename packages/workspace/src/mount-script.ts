import type { BackendName } from "./workspace-metadata.ts";

/** The ways to make a workspace that mount something, in a namespace of its own. */
export type OverlayBackend = Extract<BackendName, "overlay" | "overlay-userns" | "fuse-overlayfs">;

/** True for a way to make a workspace that mounts an overlay. */
export function isOverlayBackend(backend: BackendName): backend is OverlayBackend {
  return backend === "overlay" || backend === "overlay-userns" || backend === "fuse-overlayfs";
}

/** True when the backend needs a user namespace to be allowed to mount. */
export function needsUserNamespace(backend: OverlayBackend): boolean {
  return backend === "overlay-userns" || (backend === "fuse-overlayfs" && process.getuid?.() !== 0);
}

// Without redirect_dir and metacopy a file in the upper directory is the whole file at its own path: what capture relies on.
const KERNEL_OPTIONS = "index=off,xino=off,metacopy=off,redirect_dir=nofollow";

/** A shell function `overlay LOWER UPPER WORK TARGET`. Its paths are relative, so that none needs escaping. */
export function overlayFunction(backend: OverlayBackend): string {
  if (backend === "fuse-overlayfs") {
    return `overlay() { fuse-overlayfs -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"; }`;
  }
  const extra = backend === "overlay-userns" ? ",userxattr" : "";
  return `overlay() { mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3,${KERNEL_OPTIONS}${extra}" "$4"; }`;
}

/** Which extended attributes mark deletions of whole directories in a layer: layers of one kind do not work in the other. */
export function layerFlavour(backend: OverlayBackend): "trusted" | "user" {
  return backend === "overlay" ? "trusted" : "user";
}

/**
 * Mounts `$1` (lower directories) at `$2`, then each further argument, a folder brought along, over its place in it:
 * `bring/N/lower` is a link to the original. One that cannot be mounted is named on a line `copy N`, one whose place is
 * taken by the commit on a line `skip N`.
 */
export function workspaceScript(backend: OverlayBackend): string {
  return `${overlayFunction(backend)}
overlay "$1" upper work "$2"
target=$2
shift 2
number=0
for path in "$@"; do
  if [ -e "$target/$path" ] || [ -L "$target/$path" ]; then
    echo "skip $number"
  else
    mkdir -p "$target/$path"
    [ "$(cd "$target/$path" && pwd -P)" = "$target/$path" ] &&
      overlay "bring/$number/lower" "bring/$number/upper" "bring/$number/work" "$target/$path" 2>/dev/null ||
      echo "copy $number"
  fi
  number=$((number + 1))
done`;
}

/** Mounts `$1` (lower directories) at `$2` with the upper directory `upper`, to make a layer of it. */
export function layerScript(backend: OverlayBackend): string {
  return `${overlayFunction(backend)}
overlay "$1" upper work "$2"`;
}

/** Shows the folder `$1` at `$2`, so that what is cached there by path is right for the workspaces. */
export const BIND_SCRIPT = `mount --bind "$1" "$2"`;
