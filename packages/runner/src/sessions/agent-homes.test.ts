import { mkdir, mkdtemp, readFile, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brandId } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openAgentHomes } from "./agent-homes.ts";

const SESSION = brandId("session", "ses_a");
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "canopy-homes-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function write(path: string, text: string): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, text);
}

test("what an agent remembers comes back in the next HOME, without what only grows and what it was given of a login", async () => {
  const homes = openAgentHomes(join(folder, "kept"));
  const first = join(folder, "first");
  await write(join(first, ".claude/projects/x/session.jsonl"), "hello\n");
  await write(join(first, ".claude/cache/big"), "x");
  await write(join(first, ".claude/.credentials.json"), "secret");
  await write(join(first, ".claude.json"), "{}");
  await write(join(first, "other"), "not asked for");
  expect(await homes.keep(SESSION, first, [".claude", ".claude.json", ".absent"])).toBe(true);
  const second = join(folder, "second");
  await mkdir(second);
  expect(await homes.restore(SESSION, second)).toBe(true);
  expect((await readdir(second, { recursive: true })).toSorted()).toEqual([
    ".claude",
    ".claude.json",
    ".claude/projects",
    ".claude/projects/x",
    ".claude/projects/x/session.jsonl",
  ]);
  expect(await readFile(join(second, ".claude/projects/x/session.jsonl"), "utf8")).toBe("hello\n");
  expect(await homes.restore(brandId("session", "ses_other"), second)).toBe(false);
});

test("links that an agent made are not followed", async () => {
  const homes = openAgentHomes(join(folder, "kept"));
  await write(join(folder, "secret/key"), "secret");
  const home = join(folder, "home");
  await mkdir(join(home, ".codex"), { recursive: true });
  await symlink(join(folder, "secret"), join(home, ".claude"));
  await symlink(join(folder, "secret/key"), join(home, ".codex/auth.json"));
  await symlink(join(folder, "secret"), join(home, ".local"));
  expect(await homes.keep(SESSION, home, [".claude", ".codex", ".local/key"])).toBe(false);
  const next = join(folder, "next");
  await mkdir(next);
  await homes.restore(SESSION, next);
  expect(await readdir(next, { recursive: true })).toEqual([".codex"]);
});

test("what comes back goes over no link that stands in the next HOME already", async () => {
  const homes = openAgentHomes(join(folder, "kept"));
  const first = join(folder, "first");
  await write(join(first, ".claude/projects/file"), "the agent's\n");
  await write(join(first, ".claude.json"), "the agent's\n");
  await homes.keep(SESSION, first, [".claude", ".claude.json"]);
  for (const plant of [
    (home: string): Promise<void> => symlink(join(folder, "victim"), join(home, ".claude")),
    (home: string): Promise<void> => symlink(join(folder, "victim/file"), join(home, ".claude.json")),
    async (home: string): Promise<void> => {
      await mkdir(join(home, ".claude"));
      await symlink(join(folder, "victim"), join(home, ".claude/projects"));
    },
  ]) {
    const home = await mkdtemp(join(folder, "home-"));
    await write(join(folder, "victim/file"), "the person's\n");
    await plant(home);
    expect(await homes.restore(SESSION, home)).toBe(false);
    expect(await readdir(join(folder, "victim"), { recursive: true })).toEqual(["file"]);
    expect(await readFile(join(folder, "victim/file"), "utf8")).toBe("the person's\n");
  }
});

test("what nobody came back to for 30 days is forgotten", async () => {
  const kept = join(folder, "kept");
  const homes = openAgentHomes(kept);
  const home = join(folder, "home");
  await write(join(home, ".codex/a"), "a");
  const now = Date.now();
  for (const id of ["ses_old", "ses_new"]) await homes.keep(brandId("session", id), home, [".codex"]);
  await utimes(join(kept, "ses_old"), new Date(now - 31 * 86_400_000), new Date(now - 31 * 86_400_000));
  await homes.expire(now);
  expect(await readdir(kept)).toEqual(["ses_new"]);
});
