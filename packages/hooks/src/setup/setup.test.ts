import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { HOOK_AGENTS } from "../events/hook-call.ts";
import type { HookAgent } from "../events/hook-call.ts";
import { applyEdits } from "./apply-edits.ts";
import { checkSetup } from "./check-setup.ts";
import { diffEdits } from "./diff-edits.ts";
import { planClientRemoval, planSetup, planUninstall } from "./plan-setup.ts";
import type { SetupRequest } from "./setup-request.ts";

const TOKEN = "tok-0123456789";
const MAIN_FILE: Readonly<Record<HookAgent, string>> = {
  claude: ".claude/settings.json",
  codex: ".codex/hooks.json",
  gemini: ".gemini/settings.json",
  cursor: ".cursor/hooks.json",
  opencode: ".config/opencode/plugin/canopy.js",
};

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "canopy-setup-"));
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function requestFor(agent: HookAgent, more: Partial<SetupRequest> = {}): SetupRequest {
  return {
    agent,
    scope: "user",
    home,
    env: {},
    projectRoot: null,
    stateDir: join(home, ".local/state/canopy"),
    http: { url: "http://127.0.0.1:7770", token: TOKEN },
    agentVersion: "2.1.328",
    mcp: null,
    ...more,
  };
}

function setUp(request: SetupRequest): number {
  const edits = planSetup(request);
  applyEdits(edits, request.stateDir);
  return edits.length;
}

function takeOut(request: SetupRequest): number {
  const edits = planUninstall(request);
  applyEdits(edits, request.stateDir);
  return edits.length;
}

/** Every file, folder and link below the home: path to mode and content. */
function snapshot(folder = home): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const mode = (lstatSync(path).mode & 0o7777).toString(8);
    found[path.slice(folder.length + 1)] = entry.isFile()
      ? `${mode} ${readFileSync(path).toString("hex")}`
      : mode;
  }
  return found;
}

function write(name: string, content: string | Buffer, mode = 0o644): string {
  const path = join(home, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function readJson(name: string): { hooks: Record<string, unknown[]>; version?: number } {
  return JSON.parse(readFileSync(join(home, name), "utf8"));
}

test.each(HOOK_AGENTS)("%s: from nothing, twice is once, and taken out leaves nothing", (agent) => {
  const before = snapshot();
  const request = requestFor(agent);
  expect(setUp(request)).toBeGreaterThan(0);
  const installed = snapshot();
  expect(existsSync(join(home, MAIN_FILE[agent]))).toBe(true);
  expect([setUp(request), snapshot()]).toEqual([0, installed]);
  expect(checkSetup(request).every(({ state }) => state === "current")).toBe(true);
  expect(takeOut(request)).toBe(1);
  applyEdits(planClientRemoval(request.stateDir), request.stateDir);
  const left = snapshot();
  // The state folder is the daemon's.
  delete left[".local"];
  delete left[".local/state"];
  delete left[".local/state/canopy"];
  expect(left).toEqual(before);
  expect([takeOut(request), planClientRemoval(request.stateDir)]).toEqual([0, []]);
});

test("Claude Code: http hooks for what knows them, a command for the start and the end of a session", () => {
  setUp(requestFor("claude"));
  const { hooks } = readJson(".claude/settings.json");
  const client = join(home, ".local/state/canopy/hook/canopy-hook");
  expect(hooks["SessionStart"]).toEqual([
    { hooks: [{ type: "command", command: `${client} claude SessionStart`, timeout: 5 }] },
  ]);
  expect(hooks["PreToolUse"]).toEqual([
    {
      matcher: "Write|Edit|MultiEdit|NotebookEdit|Bash",
      hooks: [
        {
          type: "http",
          url: "http://127.0.0.1:7770/hooks/claude?event=PreToolUse&by=canopy",
          headers: { Authorization: `Bearer ${TOKEN}` },
          timeout: 5,
        },
      ],
    },
  ]);
  expect(Object.keys(hooks).toSorted()).toEqual(
    [
      "CwdChanged",
      "Notification",
      "PostToolBatch",
      "PostToolUse",
      "PostToolUseFailure",
      "PreCompact",
      "PreToolUse",
      "SessionEnd",
      "SessionStart",
      "Stop",
      "SubagentStart",
      "SubagentStop",
      "UserPromptSubmit",
    ].toSorted(),
  );
  expect(statSync(join(home, ".claude/settings.json")).mode & 0o777).toBe(0o600);
  expect(statSync(client).mode & 0o777).toBe(0o755);
  expect(statSync(join(home, ".local/state/canopy")).mode & 0o777).toBe(0o700);
});

test.each([["2.1.62"], ["1.0.110"], [null], ["not a version"]])(
  "Claude Code %s, which has no http hooks, gets commands and no events it does not know",
  (agentVersion) => {
    setUp(requestFor("claude", { agentVersion }));
    const text = readFileSync(join(home, ".claude/settings.json"), "utf8");
    expect([text.includes('"http"'), text.includes(TOKEN)]).toEqual([false, false]);
    expect(Object.keys(readJson(".claude/settings.json").hooks)).toEqual([
      "SessionStart",
      "UserPromptSubmit",
      "PreToolUse",
      "PostToolUse",
      "SubagentStop",
      "Notification",
      "PreCompact",
      "Stop",
      "SessionEnd",
    ]);
  },
);

test("an agent that was updated gets its http hooks at the next set-up, and others' hooks stay where they are", () => {
  const theirs = { hooks: [{ type: "command", command: "mine.sh" }] };
  write(".claude/settings.json", JSON.stringify({ hooks: { Stop: [theirs] } }, null, 2));
  setUp(requestFor("claude", { agentVersion: "2.0.0" }));
  expect(checkSetup(requestFor("claude")).map(({ state }) => state)).toEqual([
    "current",
    "current",
    "outdated",
  ]);
  expect(setUp(requestFor("claude"))).toBe(1);
  const stop = readJson(".claude/settings.json").hooks["Stop"];
  expect([stop?.length, stop?.[0], JSON.stringify(stop?.[1]).includes("by=canopy")]).toEqual([
    2,
    theirs,
    true,
  ]);
  takeOut(requestFor("claude"));
  expect(readFileSync(join(home, ".claude/settings.json"), "utf8")).toBe(
    JSON.stringify({ hooks: { Stop: [theirs] } }, null, 2),
  );
});

test.each(HOOK_AGENTS)(
  "%s: a project's file has no token, no home and a command that is quiet without Canopy",
  (agent) => {
    const root = join(home, "work");
    mkdirSync(root);
    const request = requestFor(agent, { scope: "project", projectRoot: root });
    setUp(request);
    const files = Object.entries(snapshot(root)).filter(([, content]) => content.includes(" "));
    const text = files
      .map(([, content]) => Buffer.from(content.split(" ")[1] ?? "", "hex").toString())
      .join("\n");
    expect(files.length).toBe(1);
    expect([text.includes(TOKEN), text.includes(home), files[0]?.[1].startsWith("644")]).toEqual([
      false,
      false,
      true,
    ]);
    expect(checkSetup(request).every(({ state }) => state === "current")).toBe(true);
    takeOut(request);
    expect(snapshot(root)).toEqual({});
  },
);

test("a project's command is silent where there is no Canopy, and finds it by the usual folders where there is", () => {
  const root = join(home, "work");
  mkdirSync(root);
  const request = requestFor("claude", { scope: "project", projectRoot: root });
  setUp(request);
  const { hooks } = z
    .object({
      hooks: z.record(z.string(), z.array(z.object({ hooks: z.array(z.object({ command: z.string() })) }))),
    })
    .parse(readJson("work/.claude/settings.json"));
  const command = hooks["Stop"]?.[0]?.hooks[0]?.command ?? "";
  const run = (env: Readonly<Record<string, string>>): (string | number | null)[] => {
    const path = process.env["PATH"] ?? "";
    const result = spawnSync("sh", ["-c", command], {
      env: { PATH: path, ...env },
      input: "{}",
      encoding: "utf8",
    });
    return [result.status, result.stdout.slice(0, 40), result.stderr];
  };
  const lost = '{"systemMessage":"Canopy cannot be reach';
  expect(run({ HOME: home })).toEqual([0, lost, ""]);
  expect(run({ HOME: "/nowhere", XDG_STATE_HOME: join(home, ".local/state") })).toEqual([0, lost, ""]);
  expect(run({ HOME: home, CANOPY_HOME: "/nowhere" })).toEqual([0, "", ""]);
  expect(run({ HOME: "/nowhere" })).toEqual([0, "", ""]);
});

test("a project that there is none of is refused", () => {
  expect(() => planSetup(requestFor("codex", { scope: "project" }))).toThrow("no repository");
});

test("the file's mode stays, a link is written through, and a token closes a file that was open", () => {
  const real = write("dotfiles/claude.json", '{"a":1}', 0o640);
  mkdirSync(join(home, ".claude"));
  symlinkSync(real, join(home, ".claude/settings.json"));
  const plain = write(".gemini/settings.json", "{}\n", 0o664);
  const before = snapshot();
  setUp(requestFor("claude"));
  setUp(requestFor("gemini", { http: null }));
  expect(lstatSync(join(home, ".claude/settings.json")).isSymbolicLink()).toBe(true);
  expect([statSync(real).mode & 0o777, statSync(plain).mode & 0o777]).toEqual([0o600, 0o664]);
  expect(readFileSync(real, "utf8")).toContain("by=canopy");
  takeOut(requestFor("claude"));
  takeOut(requestFor("gemini"));
  applyEdits(planClientRemoval(requestFor("claude").stateDir), requestFor("claude").stateDir);
  const left = snapshot();
  for (const name of [".local", ".local/state", ".local/state/canopy"]) delete left[name];
  expect(left).toEqual(before);
});

test.each([
  ["no JSON", "{ broken", "cannot be read as JSON"],
  ["no object", "[]", "is no object"],
  ["hooks that are a list", '{"hooks":[]}', '"hooks" is no object'],
  ["no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "is no text in UTF-8"],
])("%s: refused, and nothing is written", (_, content, message) => {
  write(".claude/settings.json", content);
  const before = snapshot();
  expect(() => setUp(requestFor("claude"))).toThrow(message);
  expect(snapshot()).toEqual(before);
  expect(checkSetup(requestFor("claude")).map(({ state }) => state)).toEqual([
    "missing",
    "missing",
    "unreadable",
  ]);
});

test("a link to nothing, a folder in the way, and someone else's plugin are refused", () => {
  mkdirSync(join(home, ".claude"));
  symlinkSync(join(home, "gone"), join(home, ".claude/settings.json"));
  mkdirSync(join(home, ".codex/hooks.json"), { recursive: true });
  write(".config/opencode/plugin/canopy.js", "export const Mine = 1;\n");
  expect(() => planSetup(requestFor("claude"))).toThrow("is a link to nothing");
  expect(() => planSetup(requestFor("codex"))).toThrow("is no file");
  expect(() => planSetup(requestFor("opencode"))).toThrow("is not of our making");
  expect(planUninstall(requestFor("opencode"))).toEqual([]);
});

test("a file that changes between the plan and its doing is not overwritten", () => {
  write(".codex/hooks.json", "{}");
  const edits = planSetup(requestFor("codex"));
  write(".codex/hooks.json", '{"x":1}');
  expect(() => applyEdits(edits, requestFor("codex").stateDir)).toThrow("was changed by someone else");
  expect(readFileSync(join(home, ".codex/hooks.json"), "utf8")).toBe('{"x":1}');
});

test("the diff for a person covers the token", () => {
  write(".claude/settings.json", '{\n  "model": "x"\n}\n');
  const text = diffEdits(planSetup(requestFor("claude")), [TOKEN]);
  expect([text.includes(TOKEN), text.includes("Bearer [hook token]")]).toEqual([false, true]);
  expect(text).toContain('-  "model": "x"\n+  "model": "x",\n+  "hooks": {');
  expect(existsSync(join(home, ".local"))).toBe(false);
});

test("changes that a person made after the set-up stay when it is taken out", () => {
  write(".gemini/settings.json", '{\n  // mine\n  "ui": {}\n}\n');
  setUp(requestFor("gemini"));
  const path = join(home, ".gemini/settings.json");
  const changed = readFileSync(path, "utf8").replace('"ui": {}', '"ui": { "theme": "x" }');
  writeFileSync(path, changed);
  takeOut(requestFor("gemini"));
  expect(readFileSync(path, "utf8")).toBe('{\n  // mine\n  "ui": { "theme": "x" }\n}\n');
  setUp(requestFor("gemini"));
  // A hook of their own right behind ours, so that our pieces are not found as they were.
  const withOwn = readFileSync(path, "utf8").replace(
    '"AfterAgent": [',
    '"AfterAgent": [\n      { "hooks": [{ "command": "mine" }] },',
  );
  writeFileSync(path, withOwn);
  takeOut(requestFor("gemini"));
  expect(readFileSync(path, "utf8")).not.toContain("canopy");
  expect(readFileSync(path, "utf8")).toContain('"AfterAgent": [\n      { "hooks": [{ "command": "mine" }] }');
});

test("without its record, set-up is taken out by its structure", () => {
  write(".codex/hooks.json", '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]}}');
  setUp(requestFor("codex"));
  rmSync(join(home, ".local/state/canopy/setup"), { recursive: true });
  takeOut(requestFor("codex"));
  expect(readFileSync(join(home, ".codex/hooks.json"), "utf8")).toBe(
    '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]}}',
  );
});

test("MCP servers go where each agent looks for them, and out again", () => {
  const mcp = { url: "http://127.0.0.1:7770/mcp", headers: { Authorization: `Bearer ${TOKEN}` } };
  write(".codex/config.toml", 'model = "x" # mine\r\n[tui]\r\ntheme = "y"');
  write(".cursor/mcp.json", '{"mcpServers":{"other":{"url":"u"}}}');
  const before = snapshot();
  for (const agent of HOOK_AGENTS) setUp(requestFor(agent, { mcp }));
  expect(readFileSync(join(home, ".codex/config.toml"), "utf8")).toBe(
    [
      'model = "x" # mine',
      "[tui]",
      'theme = "y"',
      "# >>> canopy: written by `canopy setup`, removed by `canopy setup --uninstall` >>>",
      "[mcp_servers.canopy]",
      'url = "http://127.0.0.1:7770/mcp"',
      `http_headers = { "Authorization" = "Bearer ${TOKEN}" }`,
      "# <<< canopy <<<",
      "",
    ].join("\r\n"),
  );
  expect(readJson(".cursor/mcp.json")).toEqual({ mcpServers: { other: { url: "u" }, canopy: mcp } });
  expect(readFileSync(join(home, ".config/opencode/opencode.json"), "utf8")).toContain('"type": "remote"');
  for (const agent of HOOK_AGENTS) expect(setUp(requestFor(agent, { mcp }))).toBe(0);
  for (const agent of HOOK_AGENTS) takeOut(requestFor(agent, { mcp }));
  applyEdits(planClientRemoval(requestFor("claude").stateDir), requestFor("claude").stateDir);
  const left = snapshot();
  for (const name of [".local", ".local/state", ".local/state/canopy"]) delete left[name];
  expect(left).toEqual(before);
  write(".codex/config.toml", "[mcp_servers.canopy]\ncommand = 'mine'\n");
  expect(() => planSetup(requestFor("codex", { mcp }))).toThrow("already has [mcp_servers.canopy]");
  write(".codex/config.toml", "x = \n");
  expect(() => planSetup(requestFor("codex", { mcp }))).toThrow("cannot be read as TOML");
});

const PLAIN = fc.record(
  {
    model: fc.string(),
    hooks: fc.dictionary(
      fc.constantFrom("PreToolUse", "Stop", "BeforeTool", "preToolUse", "stop", "Mine"),
      fc.array(fc.constant({ hooks: [{ type: "command", command: "mine" }] }), { maxLength: 2 }),
    ),
    version: fc.constant(1),
    z: fc.jsonValue({ maxDepth: 2 }),
  },
  { requiredKeys: [] },
);

const ANY_FILE = fc.record({
  agent: fc.constantFrom("claude", "codex", "gemini", "cursor"),
  value: PLAIN,
  indent: fc.constantFrom(0, 2, 4, "\t"),
  eol: fc.constantFrom("\n", "\r\n"),
  mark: fc.constantFrom("", "\uFEFF"),
  end: fc.constantFrom("", "\n", "\n\n", " "),
  mode: fc.constantFrom(0o600, 0o644, 0o444),
});

test("property: any file, any agent: in, again, out restores content and mode", () => {
  fc.assert(
    fc.property(ANY_FILE, ({ agent, value, indent, eol, mark, end, mode }) => {
      const text = mark + JSON.stringify(value, null, indent).replaceAll("\n", eol) + end;
      rmSync(join(home, MAIN_FILE[agent]), { force: true });
      const path = write(MAIN_FILE[agent], text, mode);
      const request = requestFor(agent);
      expect(setUp(request)).toBeGreaterThan(0);
      const installed = readFileSync(path, "utf8");
      expect([setUp(request), readFileSync(path, "utf8")]).toEqual([0, installed]);
      expect(takeOut(request)).toBe(1);
      expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual([text, mode]);
    }),
    { numRuns: 200 },
  );
});
