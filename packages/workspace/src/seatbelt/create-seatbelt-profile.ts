/** What a process under macOS's sandbox-exec may reach. All paths are absolute and real. */
export interface SeatbeltRules {
  readonly writable: readonly string[];
  readonly readable: readonly string[];
  /** Never, also inside of what is readable or writable. */
  readonly blocked: readonly string[];
  /** Exactly these, read-only, though they are blocked. */
  readonly permitted: readonly string[];
  /** deny: only loopback inside is not told apart from the host's, so none. A number: the egress proxy's port and nothing else. */
  readonly network: "deny" | "allow" | number;
}

/** What programs need of the system to start at all. Not tried on a Mac: see docs/sandbox.md. */
const SYSTEM_FOLDERS = [
  "/usr",
  "/bin",
  "/sbin",
  "/opt",
  "/System",
  "/Library/Apple",
  "/Library/Developer",
  "/Library/Frameworks",
  "/private/etc/ssl",
  "/private/var/db/timezone",
  "/private/var/select",
];
const SYSTEM_FILES = [
  "/",
  "/private/etc/hosts",
  "/private/etc/passwd",
  "/private/etc/resolv.conf",
  "/dev/urandom",
  "/dev/random",
];
const DEVICES = ["/dev/null", "/dev/zero", "/dev/tty", "/dev/dtracehelper"];

/** A string literal of the profile's language, which is a Scheme's. */
export function quoteForProfile(path: string): string {
  return `"${path.replaceAll("\\", "\\\\").replaceAll('"', String.raw`\"`)}"`;
}

const folders = (paths: readonly string[]): string =>
  paths.map((path) => `(subpath ${quoteForProfile(path)})`).join(" ");
const files = (paths: readonly string[]): string =>
  paths.map((path) => `(literal ${quoteForProfile(path)})`).join(" ");

function rule(action: string, filters: string): string[] {
  return filters === "" ? [] : [`(${action} ${filters})`];
}

function networkRules(network: SeatbeltRules["network"]): string[] {
  if (network === "allow") return ["(allow network*)", "(allow system-socket)"];
  if (network === "deny") return [];
  return [`(allow network-outbound (remote ip "localhost:${network}"))`];
}

/**
 * The text of a profile for sandbox-exec: everything is denied but what is listed; of two rules that fit, the later one counts, so
 * what is blocked comes after what is shown and what is permitted after that.
 */
export function createSeatbeltProfile(rules: SeatbeltRules): string {
  const lines = [
    "(version 1)",
    "(deny default)",
    "(allow process-exec process-fork)",
    "(allow signal (target same-sandbox))",
    "(allow sysctl-read)",
    '(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo") (global-name "com.apple.trustd.agent"))',
    "(allow file-read-metadata)",
    `(allow file-read* ${folders(SYSTEM_FOLDERS)} ${files(SYSTEM_FILES)})`,
    `(allow file-read* file-write* file-ioctl ${files(DEVICES)})`,
    ...rule("allow file-read*", folders(rules.readable)),
    ...rule("allow file-read* file-write*", folders(rules.writable)),
    ...rule("deny file-read* file-write*", folders(rules.blocked)),
    ...rule("allow file-read*", folders(rules.permitted)),
    ...networkRules(rules.network),
  ];
  return `${lines.join("\n")}\n`;
}
