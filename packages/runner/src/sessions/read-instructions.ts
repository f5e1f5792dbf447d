import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

/** What a repository says to agents, by the names that they are known to look for. */
const FILES = ["AGENTS.md", "CLAUDE.md"];
const MAX_BYTES = 32_768;

/** A plain file's text; a link is not followed, for it may lead out of the repository. */
async function readPlain(path: string): Promise<string | null> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => null);
  if (handle === null) return null;
  try {
    const info = await handle.stat();
    if (!info.isFile()) return null;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(info.size, MAX_BYTES)), 0);
    const text = buffer.toString("utf8", 0, bytesRead).toWellFormed();
    return info.size > MAX_BYTES ? `${text}\n[cut: read the file for the rest]` : text;
  } finally {
    await handle.close();
  }
}

/**
 * The repository's own instructions that an agent does not read by itself, for its system text; null when there are none. The
 * same text under two names is told once.
 */
export async function readInstructions(root: string, readsFiles: readonly string[]): Promise<string | null> {
  const known = new Set<string>();
  for (const name of readsFiles) known.add((await readPlain(join(root, name))) ?? "");
  const parts: string[] = [];
  for (const name of FILES) {
    if (readsFiles.includes(name)) continue;
    const text = await readPlain(join(root, name));
    if (text === null || known.has(text)) continue;
    known.add(text);
    parts.push(`The repository's ${name}, which you follow:\n\n${text.trim()}`);
  }
  return parts.length === 0 ? null : parts.join("\n\n");
}
