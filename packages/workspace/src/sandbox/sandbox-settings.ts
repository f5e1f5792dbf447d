import type { ProxyCredential } from "./proxy-credentials.ts";

/** How much a workspace's processes are kept from. */
export type SandboxLevel = "none" | "process" | "sandbox" | "container";

/** What of the network a sandbox has: nothing, all, or what is on a list (through the egress proxy). */
export type NetworkPolicy = "deny" | "allow" | "allowlist";

/** Limits of one workspace. Absent: none. */
export interface SandboxLimits {
  readonly memoryBytes?: number;
  readonly processCount?: number;
  readonly openFileCount?: number;
  /** Largest sum of what the workspace's processes write into it, its HOME and its TMPDIR; also of one file. */
  readonly diskBytes?: number;
  /** Most files and folders that they make there. */
  readonly fileCount?: number;
  /** How long they may run, from the first on. */
  readonly wallMs?: number;
  /** Cores, such as 1.5. */
  readonly cpuCount?: number;
}

/** What a workspace's processes may reach. */
export interface SandboxSettings {
  readonly level: SandboxLevel;
  readonly network: NetworkPolicy;
  /** `host`, `*.host`, `host:port`, of an allow-list. Without a port: 80 and 443. */
  readonly allow: readonly string[];
  /** More paths to show read-only, such as tools and object stores. Blocked ones stay hidden. */
  readonly readOnly: readonly string[];
  /** Caches to show writable. */
  readonly caches: readonly string[];
  /** Blocked paths that a person named to be shown all the same; exactly these, read-only. */
  readonly permit: readonly string[];
  /** Paths that are never shown, beside the built-in ones. */
  readonly block: readonly string[];
  /** Files and folders that are copied into the private HOME. Blocked ones are not. */
  readonly copyConfigs: readonly string[];
  /** Files of the person's that are copied into the private HOME although they are blocked, to a place below it. */
  readonly logins: readonly { readonly from: string; readonly to: string }[];
  /** Shows the caches of package managers in the private HOME: what is written there is the workspace's alone. */
  readonly hasToolCaches: boolean;
  readonly limits: SandboxLimits;
  /** Keys that the egress proxy adds, so that the sandbox need not hold them. */
  readonly credentials: readonly ProxyCredential[];
  /** For level `container`: the image, and the engine's socket when it is not one of the usual. */
  readonly container: { readonly image: string | null; readonly engine: string | null };
}

/** What a workspace has when nothing is said: the same as before there were levels. */
export const PROCESS_SETTINGS: SandboxSettings = {
  level: "process",
  network: "allow",
  allow: [],
  readOnly: [],
  caches: [],
  permit: [],
  block: [],
  copyConfigs: [],
  logins: [],
  hasToolCaches: false,
  limits: {},
  credentials: [],
  container: { image: null, engine: null },
};
