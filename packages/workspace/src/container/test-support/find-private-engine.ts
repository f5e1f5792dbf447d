import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The programs of a Podman of Canopy's own, which is not installed on this machine but lies in a cache, and where its libraries are. */
export interface PrivateEngine {
  readonly podman: string;
  readonly conmon: string;
  readonly runc: string;
  /** As `LD_LIBRARY_PATH` takes it. */
  readonly libraries: string;
}

/** Where the programs are below a folder into which their packages were unpacked. */
export function describePrivateEngine(folder: string): PrivateEngine {
  const at = (path: string): string => join(folder, path);
  return {
    podman: at("usr/bin/podman"),
    conmon: at("usr/bin/conmon"),
    runc: at("usr/sbin/runc"),
    libraries: [at("usr/lib/x86_64-linux-gnu"), at("lib/x86_64-linux-gnu")].join(":"),
  };
}

/** The folder of the private engine, outside the repository and kept between runs; null where there can be none, with why. */
export function privateEngineFolder():
  | { readonly folder: string; readonly reason: null }
  | { readonly folder: null; readonly reason: string } {
  const no = (reason: string): { folder: null; reason: string } => ({ folder: null, reason });
  if (process.env["CANOPY_ENGINE"] === "off") return no("CANOPY_ENGINE=off");
  if (process.platform !== "linux" || process.arch !== "x64") return no("only on Linux x64");
  if (process.getuid?.() !== 0) return no("only as root");
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const read = (key: string): string => new RegExp(`^${key}="?([^"\n]*)`, "m").exec(release)?.[1] ?? "";
  if (read("ID") !== "debian") return no("only on Debian");
  const base = process.env["XDG_CACHE_HOME"];
  const cache = base === undefined || base === "" ? join(homedir(), ".cache") : base;
  return { folder: join(cache, "canopy", `engine-debian${read("VERSION_ID")}`), reason: null };
}

/** The private engine that is in the cache, or why there is none. */
export function findPrivateEngine():
  | { readonly programs: PrivateEngine; readonly reason: null }
  | { readonly programs: null; readonly reason: string } {
  const { folder, reason } = privateEngineFolder();
  if (folder === null) return { programs: null, reason };
  const programs = describePrivateEngine(folder);
  if (existsSync(programs.podman)) return { programs, reason: null };
  return { programs: null, reason: "none is in the cache, where `npm test` puts it" };
}
