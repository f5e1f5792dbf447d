export { startDaemon } from "./start-daemon.ts";
export type { Daemon, DaemonOptions } from "./start-daemon.ts";
export { resolveDaemonPaths } from "./home/daemon-paths.ts";
export type { DaemonPaths } from "./home/daemon-paths.ts";
export { CONFIG_PATH, loadConfig, parseConfig } from "./config/load-config.ts";
export { allowHost } from "./config/allow-host.ts";
export { probeSandbox } from "@canopy/workspace";
export type { SandboxReport } from "@canopy/workspace";
