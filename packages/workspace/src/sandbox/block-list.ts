import { readFile, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { isWithin, listBlockedPaths } from "./blocked-paths.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/** What must not be seen, as it is written and as it really is. */
export interface BlockList {
  /** This person's home. */
  readonly home: string;
  /** Every blocked path, and where links of that name lead. */
  readonly paths: readonly string[];
  /** What a person named to be shown all the same. */
  readonly permitted: readonly string[];
}

/** Homes of people, this person's first. */
export async function listHomes(): Promise<string[]> {
  const table = await readFile("/etc/passwd", "utf8").catch(() => "");
  const others = table.split("\n").map((line) => line.split(":")[5] ?? "");
  const homes = others.filter((home) => home === "/root" || /^\/(home|Users)\/./.test(home));
  return [...new Set([homedir(), ...homes])];
}

/** Replaces a leading `~` by the home. */
export function expandHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}

/** Those of some paths that are there, with where they really are; the shortest first. */
export async function resolveAll(
  paths: readonly string[],
): Promise<{ readonly path: string; readonly real: string }[]> {
  const unique = [...new Set(paths)];
  const reals = await Promise.all(unique.map((path) => realpath(path).catch(() => null)));
  return unique
    .flatMap((path, index) => {
      const real = reals[index] ?? null;
      return real === null ? [] : [{ path, real }];
    })
    .sort((left, right) => left.path.length - right.path.length);
}

/** Works out what must not be seen: the built-in list for every person's home, other people's homes, and what is configured. */
export async function createBlockList({
  block,
  permit,
}: Pick<SandboxSettings, "block" | "permit">): Promise<BlockList> {
  const homes = await listHomes();
  const [home = homedir(), ...otherHomes] = homes;
  const blocked = [
    ...listBlockedPaths(homes, []),
    ...otherHomes,
    ...block.map((path) => expandHome(path, home)),
  ];
  const reals = (await resolveAll(blocked)).map(({ real }) => real);
  return {
    home,
    paths: [...new Set([...blocked, ...reals])],
    permitted: permit.map((path) => expandHome(path, home)),
  };
}

/** True for a path that is blocked or below one that is. */
export function isBlocked({ paths }: BlockList, path: string): boolean {
  return paths.some((blocked) => isWithin(path, blocked));
}
