import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { holderEnvironment } from "./namespace-holder.ts";

const known = new Map<string, string>();

/**
 * The full path of one of the system's small programs (`setpriv`, `nsenter`, ...), so that it is found whatever PATH the
 * process it starts is given. The bare name when it is nowhere: starting it then fails with a clear error.
 */
export function toolPath(name: string): string {
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  for (const folder of (holderEnvironment()["PATH"] ?? "").split(":")) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    known.set(name, path);
    return path;
  }
  return name;
}
