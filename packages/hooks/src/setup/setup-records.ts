import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { SetupRecord } from "./managed-file.ts";

const recordSchema = z.object({
  path: z.string(),
  hash: z.string(),
  pieces: z.array(z.object({ offset: z.int().nonnegative(), text: z.string() })),
  isNew: z.boolean(),
  mode: z.int().nonnegative().nullable(),
  folders: z.array(z.string()),
});

/** Where the record of a file is kept: mode 0600, for a piece may hold a token. */
export function setupRecordPath(stateDir: string, path: string): string {
  const name = createHash("sha256").update(path).digest("hex").slice(0, 24);
  return join(stateDir, "setup", `${name}.json`);
}

/** The record of a file, or null when there is none that can be read; then its structure has to do. */
export function readSetupRecord(stateDir: string, path: string): SetupRecord | null {
  try {
    const value: unknown = JSON.parse(readFileSync(setupRecordPath(stateDir, path), "utf8"));
    const record = recordSchema.parse(value);
    return record.path === path ? record : null;
  } catch {
    return null;
  }
}
