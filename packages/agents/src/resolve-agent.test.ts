import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LOGIN_FILES } from "./agent-logins.ts";
import { BUILTIN_AGENTS } from "./builtin-agents.ts";
import { resolveAgent } from "./resolve-agent.ts";
import type { AgentDefinitions } from "./resolve-agent.ts";
import { SCRIPTED_AGENT_FILE } from "./scripted/scripted-driver.ts";
import { splitCommandLine } from "./split-command-line.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "canopy-resolve-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function describeAgent(text: string, definitions: AgentDefinitions = {}): unknown {
  const { driver, ...rest } = resolveAgent(text, definitions, folder);
  const { kind, command } = driver.describe();
  return { kind, command, ...rest };
}

const NOTHING = {
  model: null,
  environmentNames: [],
  keychain: {},
  credentialNames: [],
  loginFiles: [],
  hasLogin: false,
};

test("a command, an ACP command and the scripted agent can be written out", () => {
  writeFileSync(path.join(folder, "s.json"), "{}");
  expect(describeAgent("command:make all; echo done")).toEqual({
    name: "command",
    kind: "command",
    command: "make all; echo done",
    ...NOTHING,
  });
  expect(describeAgent("acp:/opt/my agent/bin --acp".replace("my agent", "'my agent'"))).toEqual({
    name: "bin",
    kind: "acp",
    command: "/opt/my agent/bin --acp",
    ...NOTHING,
  });
  const scripted = `${process.execPath} ${SCRIPTED_AGENT_FILE}`;
  expect(describeAgent("scripted")).toEqual({
    name: "scripted",
    kind: "scripted",
    command: scripted,
    ...NOTHING,
  });
  expect(describeAgent("scripted:s.json")).toEqual({
    name: "scripted",
    kind: "scripted",
    command: `${scripted} --script ${path.join(folder, "s.json")}`,
    ...NOTHING,
  });
});

test("a configured name wins over a built-in one", () => {
  const definitions: AgentDefinitions = {
    gemini: {
      driver: "acp",
      command: "my-gemini --acp",
      args: ["two words"],
      env: ["GEMINI_API_KEY"],
      model: "flash",
    },
    lint: { driver: "command", command: "lint", args: ["it's"] },
  };
  expect(describeAgent("gemini", definitions)).toEqual({
    name: "gemini",
    kind: "acp",
    command: "my-gemini --acp two words",
    model: "flash",
    environmentNames: ["GEMINI_API_KEY"],
    keychain: {},
    credentialNames: ["GEMINI_API_KEY"],
    loginFiles: LOGIN_FILES["gemini"],
    hasLogin: false,
  });
  expect(describeAgent("lint", definitions)).toEqual({
    name: "lint",
    kind: "command",
    command: "lint 'it'\\''s'",
    ...NOTHING,
  });
  expect(describeAgent("gemini")).toMatchObject({ command: "gemini --acp", environmentNames: [] });
});

test("every built-in agent resolves", () => {
  for (const [name, { command, driver = "acp" }] of Object.entries(BUILTIN_AGENTS)) {
    const own: Record<string, string> = { codex: "app-server", opencode: "serve" };
    const line = [...command, ...(own[driver] === undefined ? [] : [own[driver]])];
    expect(describeAgent(name)).toMatchObject({ name, kind: driver, command: line.join(" ") });
  }
});

test("an unknown agent is an error that lists what is known", () => {
  const attempt = (): unknown => describeAgent("nobody", { mine: { driver: "command", command: "x" } });
  expect(attempt).toThrow(
    expect.objectContaining({
      code: "usage.unknown-agent",
      message: 'unknown agent "nobody"',
      hint: expect.stringMatching(/^Known: mine, scripted, auggie, claude, .*; or command:/),
    }),
  );
  expect(() => describeAgent("toString")).toThrow(expect.objectContaining({ code: "usage.unknown-agent" }));
  expect(() => describeAgent("")).toThrow(expect.objectContaining({ code: "usage.unknown-agent" }));
});

test.each(["command:", "command:  ", "acp:", "acp:'open", "scripted:missing.json"])(
  "%s is a usage error",
  (text) => {
    expect(() => describeAgent(text)).toThrow(expect.objectContaining({ code: "usage.invalid" }));
  },
);

test.each([
  ["a b  c", ["a", "b", "c"]],
  [` 'a b' "c \\" d" e\\ f `, ["a b", 'c " d', "e f"]],
  [`a'b'"c"d`, ["abcd"]],
  [`x '' y`, ["x", "", "y"]],
  ["", []],
])("the command line %s is split as a shell does", (line, words) => {
  expect(splitCommandLine(line)).toEqual(words);
});

test("of a built-in agent only what differs need be said", () => {
  expect(
    describeAgent("codex", { codex: { model: "gpt", args: ["-c", "x=1"], keychain: { K: "canopy/k" } } }),
  ).toEqual({
    name: "codex",
    kind: "codex",
    command: "codex app-server -c x=1",
    model: "gpt",
    environmentNames: [],
    keychain: { K: "canopy/k" },
    credentialNames: ["OPENAI_API_KEY", "CODEX_API_KEY"],
    loginFiles: LOGIN_FILES["codex"],
    hasLogin: false,
  });
  expect(describeAgent("claude", { claude: { login: true } })).toMatchObject({ hasLogin: true });
  expect(describeAgent("gemini", { gemini: { env: ["GEMINI_API_KEY"] } })).toMatchObject({
    kind: "acp",
    command: "gemini --acp",
    environmentNames: ["GEMINI_API_KEY"],
  });
  expect(() => describeAgent("mine", { mine: { command: "x" } })).toThrow(
    expect.objectContaining({ code: "config.invalid" }),
  );
});
