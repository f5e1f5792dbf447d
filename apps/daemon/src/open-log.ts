import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";
import { destination, pino, stdSerializers } from "pino";

const MAX_LOG_BYTES = 10_485_760;
const KEPT_FILES = 3;

/** Moves a log that has grown too large out of the way; at most three old ones are kept. */
function rotate(path: string): void {
  if (!existsSync(path) || statSync(path).size < MAX_LOG_BYTES) return;
  for (let index = KEPT_FILES - 1; index >= 1; index -= 1) {
    if (existsSync(`${path}.${index}`)) renameSync(`${path}.${index}`, `${path}.${index + 1}`);
  }
  renameSync(path, `${path}.1`);
}

/** Opens the daemon's log: JSON lines in a file of mode 0600, tokens left out. */
export function openLog(path: string, level: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rotate(path);
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { error: stdSerializers.errWithCause },
      redact: { paths: ["token", "*.token", "authorization", "*.authorization"], censor: "[left out]" },
    },
    destination({ dest: path, sync: true, mode: 0o600 }),
  );
}
