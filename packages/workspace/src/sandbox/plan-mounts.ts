import { lstat, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { WorkspaceLayout } from "../workspace-layout.ts";
import { CERTIFICATE_VARIABLES } from "../workspace-environment.ts";
import { createBlockList, expandHome, isBlocked, resolveAll } from "./block-list.ts";
import { isWithin } from "./blocked-paths.ts";
import { listLinked, listLinkedTools } from "./linked-tools.ts";
import { planCaches } from "./plan-caches.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/** One step of sandbox-init.pl: what, from where (or how), and the path inside. */
export type MountStep = readonly [kind: string, from: string, path: string];

/** What the files of a sandbox are made from. */
export interface MountPlanOptions {
  readonly layout: WorkspaceLayout;
  readonly upperDirectory: string | null;
  readonly settings: SandboxSettings;
  /** PATH of the processes. */
  readonly path: string;
  readonly withUserNamespace: boolean;
  /** Folders of the daemon's own, which no configuration opens. */
  readonly state: readonly string[];
}

const SYSTEM_FOLDERS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix"];
/** What of /etc programs need; anything else may hold a secret that root can read. */
const ETC_ENTRIES =
  `passwd group nsswitch.conf protocols services host.conf gai.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives
  ssl/certs ssl/openssl.cnf ca-certificates ca-certificates.conf pki/tls/certs pki/ca-trust localtime timezone mime.types
  terminfo profile bash.bashrc inputrc fonts java-17-openjdk java-11-openjdk java-21-openjdk python3 python3.11 perl
  debian_version os-release lsb-release gitattributes magic login.defs shells locale.alias`.split(/\s+/);
const PROC_HIDDEN = [
  "kcore",
  "keys",
  "timer_list",
  "kallsyms",
  "kmsg",
  "latency_stats",
  "sched_debug",
  "scsi",
];
const PROC_STILL = ["sys", "sysrq-trigger", "irq", "bus", "fs"];
/** Below a home: what tools that live there need, by the folder on PATH. */
const HOME_TOOLS = [
  ".cargo",
  ".rustup",
  ".nvm",
  ".volta",
  ".fnm",
  ".pyenv",
  ".asdf",
  ".deno",
  ".bun",
  ".goenv",
];
HOME_TOOLS.push(
  "go",
  ".sdkman",
  ".jenv",
  ".rbenv",
  ".rvm",
  ".poetry",
  ".opencode",
  ".local/share/mise",
  ".local/share/uv",
);

async function kindOf(path: string): Promise<"link" | "there" | null> {
  const info = await lstat(path).catch(() => null);
  if (info === null) return null;
  return info.isSymbolicLink() ? "link" : "there";
}

async function planFolder(folder: string): Promise<MountStep[]> {
  const kind = await kindOf(folder);
  if (kind === null) return [];
  return kind === "there" ? [["ro", folder, folder]] : [["link", await readlink(folder), folder]];
}

async function planSystem(isIsolated: boolean): Promise<MountStep[]> {
  const names = isIsolated ? ETC_ENTRIES : [...ETC_ENTRIES, "resolv.conf", "hosts"];
  const etc = async (path: string): Promise<MountStep[]> => {
    const real = await realpath(path).catch(() => null);
    return real === null ? [] : [["ro", real, path]];
  };
  const steps = await Promise.all([
    ...SYSTEM_FOLDERS.map(planFolder),
    ...names.map((name) => etc(`/etc/${name}`)),
  ]);
  const hosts: MountStep = ["file", "127.0.0.1 localhost sandbox\n::1 localhost\n", "/etc/hosts"];
  return [...steps.flat(), ...(isIsolated ? [hosts] : [])];
}

function planDevices(): MountStep[] {
  const nodes = ["null", "zero", "full", "random", "urandom", "tty"].map((name): MountStep => [
    "dev",
    `/dev/${name}`,
    `/dev/${name}`,
  ]);
  return [
    ["proc", "", "/proc"],
    ...PROC_STILL.map((name): MountStep => ["still", "", `/proc/${name}`]),
    ...PROC_HIDDEN.map((name): MountStep => ["mask", "", `/proc/${name}`]),
    ["tmpfs", "size=1m,nr_inodes=256,mode=0755", "/dev"],
    ...nodes,
    ["devpts", "newinstance,ptmxmode=0666,mode=620", "/dev/pts"],
    ["link", "pts/ptmx", "/dev/ptmx"],
    ["tmpfs", "size=256m,nr_inodes=16384,mode=1777", "/dev/shm"],
    ["link", "/proc/self/fd", "/dev/fd"],
    ["link", "/proc/self/fd/0", "/dev/stdin"],
    ["link", "/proc/self/fd/1", "/dev/stdout"],
    ["link", "/proc/self/fd/2", "/dev/stderr"],
    ["ro", "/sys/devices/system/cpu", "/sys/devices/system/cpu"],
  ];
}

/** The folder that must be seen for a program on PATH to work: `prefix/bin` needs `prefix`, `node_modules/.bin` its parent. */
export function toolFolder(entry: string, home: string): string | null {
  if (!entry.startsWith("/") || SYSTEM_FOLDERS.some((folder) => isWithin(entry, folder))) return null;
  if (isWithin(entry, home)) {
    const tool = HOME_TOOLS.find((name) => isWithin(entry, join(home, name)));
    if (tool !== undefined) return join(home, tool);
  }
  const parent = dirname(entry);
  if (basename(entry) === ".bin") return parent;
  const isTooMuch =
    parent === "/" || parent === home || parent === join(home, ".local") || dirname(parent) === "/";
  return basename(entry) === "bin" && !isTooMuch ? parent : entry;
}

interface Shown {
  /** A link stays one where what it leads to is shown: programs look beside the file that they really are. */
  readonly kind: "ro" | "rw" | "link";
  readonly path: string;
  readonly real: string;
}

async function listShown(options: MountPlanOptions, home: string): Promise<Shown[]> {
  const { settings } = options;
  const tools = options.path.split(":").map((entry) => toolFolder(entry, home));
  const rust = options.path.includes("/.cargo/bin") ? [join(home, ".rustup")] : [];
  const certificates = CERTIFICATE_VARIABLES.flatMap((name) => process.env[name] ?? []);
  const named = settings.readOnly.map((path) => expandHome(path, home));
  const linked = await Promise.all([
    listLinkedTools(options.path, home, SYSTEM_FOLDERS),
    ...named.map((path) => listLinked(path, home)),
  ]);
  const wanted = [
    ...certificates,
    ...tools.filter((each) => each !== null),
    ...rust,
    ...named,
    ...linked.flat(),
  ];
  const [readOnly, caches] = await Promise.all([
    resolveAll(wanted),
    resolveAll(settings.caches.map((path) => expandHome(path, home))),
  ]);
  const isLink = await Promise.all(
    readOnly.map(async ({ path, real }) => {
      const isSeen = readOnly.some((other) => other.path === other.real && isWithin(real, other.path));
      return path !== real && isSeen && (await kindOf(path)) === "link";
    }),
  );
  return [
    ...readOnly.map(({ path, real }, index): Shown => ({
      kind: isLink[index] === true ? "link" : "ro",
      path,
      real,
    })),
    ...caches.map(({ path, real }): Shown => ({ kind: "rw", path, real })),
  ];
}

function refuseState(shown: Shown, state: readonly string[], asked: readonly string[]): boolean {
  const opens = state.some((folder) => isWithin(folder, shown.real) || isWithin(shown.real, folder));
  if (!opens) return true;
  if (!asked.includes(shown.path)) return false;
  throw new CanopyError(
    "config.invalid",
    `[sandbox] may not show ${shown.path}: Canopy's own state is in it`,
    {
      hint: "Name a folder further down.",
    },
  );
}

/** Hides paths. A folder in which a person named something to be shown is an empty one that holds just that. */
function planHidden(
  masks: readonly string[],
  permitted: readonly { readonly path: string; readonly real: string }[],
): MountStep[] {
  const opened = masks.filter((mask) => permitted.some(({ path }) => path !== mask && isWithin(path, mask)));
  return [
    ...masks
      .filter((mask) => !permitted.some(({ path }) => path === mask))
      .map((path): MountStep =>
        opened.includes(path) ? ["tmpfs", "size=64k,mode=0755", path] : ["mask", "", path],
      ),
    ...permitted.map(({ path, real }): MountStep => ["ro", real, path]),
    ...opened.map((path): MountStep => ["seal", "", path]),
  ];
}

/**
 * The steps that make the files of a sandbox: a read-only system, tools on PATH, what the settings name, and the workspace.
 * Whatever is blocked is hidden in it. Throws `config.invalid` when the settings would open Canopy's own state.
 */
export async function planMounts(options: MountPlanOptions): Promise<MountStep[]> {
  const { layout, settings, upperDirectory } = options;
  const [blockList, system] = await Promise.all([
    createBlockList(settings),
    planSystem(settings.network !== "allow"),
  ]);
  const { home, paths: blocked } = blockList;
  const asked = [...settings.readOnly, ...settings.caches].map((path) => expandHome(path, home));
  const shown = (await listShown(options, home)).filter((each) => {
    const isHidden = isBlocked(blockList, each.real) || isBlocked(blockList, each.path);
    // Another copy of a path below a shown one would only be mounted twice.
    return !isHidden && refuseState(each, options.state, asked);
  });
  const places = shown.filter(
    (each) =>
      !shown.some(
        (other) =>
          other !== each &&
          (other.kind === each.kind || each.kind === "link") &&
          other.path !== each.path &&
          isWithin(each.path, other.path),
      ),
  );
  const masks = blocked.filter(
    (path) =>
      SYSTEM_FOLDERS.some((folder) => isWithin(path, folder)) ||
      places.some((each) => path !== each.path && (isWithin(path, each.path) || isWithin(path, each.real))),
  );
  const monitor = join(layout.directory, "git-monitor");
  const own: MountStep[] = [
    ["rw", layout.path, layout.path],
    ["rw", layout.homeDirectory, layout.homeDirectory],
    ["rw", layout.tmpDirectory, layout.tmpDirectory],
  ];
  if (upperDirectory !== null) own.push(["ro", upperDirectory, upperDirectory]);
  if ((await kindOf(monitor)) !== null) own.push(["ro", monitor, monitor]);
  return [
    ...system,
    ...planDevices(),
    ["rw", layout.tmpDirectory, "/tmp"],
    ["rw", layout.tmpDirectory, "/var/tmp"],
    ...places.map((each): MountStep => [each.kind, each.real, each.path]),
    ...planHidden(masks, await resolveAll(blockList.permitted)),
    ...own,
    ...(await planCaches({ ...options, blockList })),
  ];
}
