import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CanopyError } from "@canopy/protocol";
import { createPlainView } from "../workspace-view.ts";
import { PROCESS_SETTINGS } from "../sandbox/sandbox-settings.ts";
import { createSeatbeltProfile } from "./create-seatbelt-profile.ts";
import { createSeatbeltProvider } from "./seatbelt-provider.ts";

// Only the text and the command line: no Mac has run this.
test("a profile denies everything but what is listed, in the order in which later rules win", () => {
  const profile = createSeatbeltProfile({
    writable: ["/Users/a/work"],
    readable: ['/Users/a/odd "name" \\ here'],
    blocked: ["/Users/a/.ssh"],
    permitted: ["/Users/a/.ssh/known_hosts"],
    network: 4321,
  });
  expect(profile.split("\n").slice(0, 2)).toEqual(["(version 1)", "(deny default)"]);
  expect(profile.split("\n").slice(-6)).toEqual([
    String.raw`(allow file-read* (subpath "/Users/a/odd \"name\" \\ here"))`,
    '(allow file-read* file-write* (subpath "/Users/a/work"))',
    '(deny file-read* file-write* (subpath "/Users/a/.ssh"))',
    '(allow file-read* (subpath "/Users/a/.ssh/known_hosts"))',
    '(allow network-outbound (remote ip "localhost:4321"))',
    "",
  ]);
  const code = profile.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
  expect(code.split("(").length).toBe(code.split(")").length);
  const none = { writable: [], readable: [], blocked: [], permitted: [] };
  expect(createSeatbeltProfile({ ...none, network: "deny" })).not.toContain("network");
  expect(createSeatbeltProfile({ ...none, network: "allow" })).toContain("(allow network*)");
});

test("processes are started under sandbox-exec, and find the proxy", async () => {
  const base = await realpath(await mkdtemp(join(tmpdir(), "canopy-seatbelt-")));
  try {
    const layout = {
      workspaceId: "mac",
      directory: base,
      path: join(base, "tree"),
      homeDirectory: join(base, "home"),
      tmpDirectory: join(base, "tmp"),
    };
    for (const path of [layout.path, layout.homeDirectory, layout.tmpDirectory]) await mkdir(path);
    const started: (readonly string[])[] = [];
    const plain = createPlainView("mac");
    const view = {
      ...plain,
      start(command: readonly string[], _cwd: string, env: Readonly<Record<string, string>>): Promise<never> {
        started.push([...command, env["HTTPS_PROXY"] ?? ""]);
        return Promise.reject(new CanopyError("agent.not-found", "no sandbox-exec here"));
      },
    };
    const provider = createSeatbeltProvider("darwin");
    const settings = {
      ...PROCESS_SETTINGS,
      level: "sandbox",
      network: "allowlist",
      allow: ["a.test"],
    } as const;
    const { view: enclosed } = await provider.open({ layout, view, settings, state: [join(base, "state")] });
    await expect(enclosed.start(["true"], layout.path, {})).rejects.toMatchObject({
      code: "agent.not-found",
    });
    await enclosed[Symbol.asyncDispose]();
    const [[program, option, profile = "", command, url = ""] = []] = started;
    const port = /localhost:(\d+)/.exec(profile)?.[1];
    expect([program, option, command, url]).toEqual([
      "/usr/bin/sandbox-exec",
      "-p",
      "true",
      `http://127.0.0.1:${port}`,
    ]);
    expect(profile).toContain(`(subpath "${layout.path}")`);
    expect(profile).toContain(`(deny file-read* file-write*`);
    expect(profile).toContain(`(subpath "${join(base, "state")}")`);
    await expect(
      provider.open({
        layout,
        view,
        settings: { ...settings, readOnly: [base] },
        state: [join(base, "state")],
      }),
    ).rejects.toMatchObject({ code: "config.invalid" });
    expect(await createSeatbeltProvider("linux").probe()).toMatchObject({ isAvailable: false });
  } finally {
    await rm(base, { recursive: true });
  }
});
