import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "@canopy/protocol";
import {
  selectClaims,
  selectFeedAfter,
  selectPendingWaits,
  selectRecentMessages,
  selectSessions,
  selectTickets,
} from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";
import { renderMirror } from "./markdown-mirror.ts";
import { redact, redactText, redactionOf } from "./redact.ts";

/** Version of the exported files. */
export const EXPORT_VERSION = 1;
const MAX_ROWS = 100_000;

/** Everything about the sessions of a project, by file name: JSON for programs, Markdown for people. */
export function exportProject(
  place: CoordinatedPlace,
  isRedacted: boolean,
): Readonly<Record<string, string>> {
  const data = place.read((sql) => {
    const sessions = selectSessions(sql).filter((session) => session.presence !== null);
    const roots = [
      ...new Set([place.worktree.root, ...sessions.map((session) => session.presence?.worktree ?? "")]),
    ];
    return {
      roots: roots.filter((root) => root !== ""),
      files: {
        "sessions.json": sessions,
        "claims.json": { claims: selectClaims(sql), tickets: selectTickets(sql) },
        "messages.json": selectRecentMessages(sql, MAX_ROWS),
        "waits.json": selectPendingWaits(sql),
        "timeline.json": selectFeedAfter(sql, 0, MAX_ROWS),
      },
    };
  });
  const redaction = redactionOf(data.roots);
  const clean = (value: unknown): Json => (isRedacted ? redact(value as Json, redaction) : (value as Json));
  const json = Object.entries(data.files).map(([name, items]) => [
    name,
    `${JSON.stringify({ version: EXPORT_VERSION, items: clean(items) }, null, 2)}\n`,
  ]);
  const markdown = Object.entries(renderMirror(place)).map(([name, text]) => [
    name,
    isRedacted ? redactText(text, redaction) : text,
  ]);
  return Object.fromEntries([...json, ...markdown]) as Record<string, string>;
}

/** Writes exported files into a folder that is made for them; only their owner can read them. */
export function writeExport(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
}
