import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { featureRoom, nodeRoom, projectRoom } from "@canopy/core";
import { listMigrationIds } from "@canopy/store";
import type { Finding } from "./finding.ts";

const SQLITE_BUSY = 5;

/** How one room's database is. */
interface Health {
  readonly state: "sound" | "held" | "corrupt" | "newer";
  readonly why: string;
}

function listRooms(roomsDir: string): string[] {
  return existsSync(roomsDir)
    ? readdirSync(roomsDir)
        .filter((name) => name.endsWith(".sqlite"))
        .toSorted()
    : [];
}

function knownMigrations(name: string): ReadonlySet<string> {
  if (name.startsWith("node.")) return new Set(listMigrationIds(nodeRoom));
  return new Set(name.startsWith("project-") ? listMigrationIds(projectRoom) : listMigrationIds(featureRoom));
}

function readHealth(path: string, known: ReadonlySet<string>): Health {
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    const [first] = database.prepare("PRAGMA quick_check(1)").all();
    const said = String(first?.["quick_check"] ?? "nothing");
    if (said !== "ok") return { state: "corrupt", why: said };
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").get();
    const applied = table === undefined ? [] : database.prepare("SELECT id FROM migrations").all();
    const unknown = applied.map((row) => String(row["id"])).filter((id) => !known.has(id));
    return unknown.length === 0 ? { state: "sound", why: "" } : { state: "newer", why: unknown.join(", ") };
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, "errcode") : undefined;
    if (code === SQLITE_BUSY) return { state: "held", why: "" };
    return { state: "corrupt", why: error instanceof Error ? error.message : String(error) };
  } finally {
    database?.close();
  }
}

/**
 * Reads every room's database through (`quick_check`, read-only) and holds its migrations against those that this program
 * knows. Rooms that the running daemon has open are its own: it would have refused them, so they are only counted.
 */
export function inspectRooms(roomsDir: string): Finding[] {
  const findings: Finding[] = [];
  let soundCount = 0;
  let heldCount = 0;
  for (const name of listRooms(roomsDir)) {
    const path = join(roomsDir, name);
    const health = readHealth(path, knownMigrations(name));
    if (health.state === "sound") soundCount += 1;
    else if (health.state === "held") heldCount += 1;
    else if (health.state === "corrupt") {
      const hint =
        "stop the daemon (canopy down), keep a copy of the file, and put a backup back or move it away";
      findings.push({ name: "rooms", state: "failed", detail: `${path} is damaged: ${health.why}`, hint });
    } else {
      const hint = "update Canopy, or use another data folder (CANOPY_HOME)";
      findings.push({
        name: "rooms",
        state: "failed",
        detail: `${path} was written by a newer version: ${health.why}`,
        hint,
      });
    }
  }
  const detail = `${soundCount} read through, ${heldCount} open in the daemon`;
  return findings.length > 0 ? findings : [{ name: "rooms", state: "ok", detail }];
}

/** Mirrored pages of projects that are not known. What was archived beside them is a person's, and stays. */
function listMirrors(mirrorDir: string, projectIds: ReadonlySet<string>): string[] {
  if (!existsSync(mirrorDir)) return [];
  return readdirSync(mirrorDir)
    .filter((name) => name.startsWith("prj_") && !projectIds.has(name))
    .flatMap((name) => readdirSync(join(mirrorDir, name)).map((page) => join(mirrorDir, name, page)))
    .filter((path) => path.endsWith(".md"));
}

/**
 * Looks for rooms and mirrors of projects that the daemon does not know. Mirrors are written anew whenever they are
 * needed, so they are removed; rooms hold what nobody else has, and stay.
 */
export function inspectOrphans(
  { roomsDir, mirrorDir }: { readonly roomsDir: string; readonly mirrorDir: string },
  projectIds: ReadonlySet<string>,
): Finding[] {
  const isOrphan = (name: string): boolean => {
    const tail =
      /-([0-9a-z]+)\.sqlite$/.exec(name)?.[1] ?? /^project-prj_([0-9a-z]+)\.sqlite$/.exec(name)?.[1];
    return tail !== undefined && !projectIds.has(`prj_${tail}`);
  };
  const rooms = listRooms(roomsDir).filter((name) => name !== "node.sqlite" && isOrphan(name));
  const mirrors = listMirrors(mirrorDir, projectIds);
  const findings: Finding[] = [];
  if (rooms.length > 0) {
    findings.push({
      name: "orphans",
      state: "warning",
      detail: `rooms of projects that are not known here: ${rooms.join(", ")}`,
      hint: "open the repository again with canopy, or move them away",
    });
  }
  if (mirrors.length > 0) {
    findings.push({
      name: "orphans",
      state: "failed",
      detail: `mirrors of projects that are not known here: ${mirrors.join(", ")}`,
      hint: "canopy doctor --fix removes them",
      mend: () => {
        for (const path of mirrors) rmSync(path, { force: true });
      },
    });
  }
  return findings.length > 0 ? findings : [{ name: "orphans", state: "ok", detail: "none" }];
}
