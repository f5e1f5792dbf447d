import { readFileSync } from "node:fs";

/** What a running daemon wrote down about itself. */
export interface DaemonInfo {
  readonly pid: number;
  readonly port: number;
  readonly socketPath: string;
}

/** Reads the daemon's own note, or null when there is none that can be read. */
export function readDaemonInfo(infoPath: string): DaemonInfo | null {
  try {
    const value: unknown = JSON.parse(readFileSync(infoPath, "utf8"));
    if (typeof value !== "object" || value === null) return null;
    const pid: unknown = Reflect.get(value, "pid");
    const port: unknown = Reflect.get(value, "port");
    const socketPath: unknown = Reflect.get(value, "socketPath");
    if (typeof pid !== "number" || typeof port !== "number" || typeof socketPath !== "string") return null;
    return { pid, port, socketPath };
  } catch {
    return null;
  }
}
