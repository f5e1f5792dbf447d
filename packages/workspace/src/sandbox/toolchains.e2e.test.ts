import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { sandboxConfigSchema } from "@canopy/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestContext } from "vitest";
import { openWorkspaceStore } from "../open-workspace-store.ts";
import { removeTree } from "../remove-tree.ts";
import type { WorkspaceStore } from "../workspace-store.ts";
import { createSandboxSettings } from "./create-sandbox-settings.ts";

const execute = promisify(execFile);
const PACKAGE = JSON.stringify({
  name: "sample",
  version: "1.0.0",
  dependencies: { "is-number": "7.0.0" },
  scripts: { build: "node -e \"require('fs').copyFileSync('index.js','built.js')\"", test: "node --test" },
});

let base = "";
let store: WorkspaceStore;
let count = 0;
const realHome = process.env["HOME"];
const realPath = process.env["PATH"];
/** The path of a person's shell: `npm test` puts this repository's own Node before the machine's, and npm reads its settings from beside its Node. */
const usualPath = (realPath ?? "")
  .split(":")
  .filter((folder) => !/\/node_modules\/|\/node_modules$/.test(folder));

beforeAll(async () => {
  process.env["PATH"] = usualPath.join(":");
  base = await realpath(await mkdtemp(join(tmpdir(), "canopy-tools-")));
  store = await openWorkspaceStore({ cacheDirectory: join(base, "cache") });
});

afterAll(async () => {
  process.env["HOME"] = realHome;
  process.env["PATH"] = realPath;
  await store[Symbol.asyncDispose]();
  await removeTree(base);
});

/** Runs a script on sample files in a sandbox as a project has that configures nothing but the network. */
async function work(
  files: Readonly<Record<string, string>>,
  network: "deny" | "allowlist",
  script: string,
): Promise<{ code: number | null; output: string }> {
  count += 1;
  const config = sandboxConfigSchema.parse({ network });
  await using workspace = await store.createWorkspace({
    workspaceId: `tools-${count}`,
    project: { projectId: `prj_tools${count}`, name: "tools" },
    source: {
      commit: "c",
      populate: async (directory) => {
        for (const [path, text] of Object.entries(files)) {
          await mkdir(dirname(join(directory, path)), { recursive: true });
          await writeFile(join(directory, path), text);
        }
      },
    },
    sandbox: await createSandboxSettings({
      config,
      role: "worker",
      agent: null,
      commandLine: [],
      readOnly: [],
    }),
  });
  const handle = await workspace.spawn(["sh", "-eu", "-c", script], { env: workspace.env });
  handle.endInput();
  let output = "";
  const collect = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) output += Buffer.from(chunk).toString("utf8");
  };
  const [exit] = await Promise.all([handle.exited, collect(handle.stdout), collect(handle.stderr)]);
  return { code: exit.code, output };
}

/** Skips a test of a tool that this machine has not, and says so. */
async function requireTool(context: TestContext, tool: string, ...args: string[]): Promise<void> {
  const found = await execute(tool, args).catch(() => null);
  if (found === null) context.skip(`${tool} ${args.join(" ")} does not work on this machine`);
}

async function requireHost(context: TestContext, url: string): Promise<void> {
  const found = await execute("curl", ["-sSf", "-m", "10", "-o", "/dev/null", url]).catch(() => null);
  if (found === null) context.skip(`${url} cannot be reached from this machine`);
}

/**
 * Makes a home whose npm cache holds the sample's package, as that of a person who has used it before. Skips where npm
 * cannot reach its registry outside of a sandbox either (no network, a certificate that it does not trust).
 */
async function createWarmHome(context: TestContext): Promise<string> {
  const home = await mkdtemp(join(base, "home-"));
  const warm = await mkdtemp(join(base, "warm-"));
  await writeFile(join(warm, "package.json"), PACKAGE);
  // The settings of the real home stay, for they may name the certificates; only the cache is this home's.
  const env = { ...process.env, npm_config_cache: join(home, ".npm") };
  const args = ["install", "--no-audit", "--silent", "--fetch-retries=0", "--fetch-timeout=15000"];
  const warmed = await execute("npm", args, { cwd: warm, env, timeout: 30_000 }).catch(() => null);
  if (warmed === null) context.skip("npm cannot reach its registry from this machine as it is set up");
  return home;
}

function expectSuccess({ code, output }: { code: number | null; output: string }, last: string): void {
  expect(code, output).toBe(0);
  expect(output).toContain(last);
}

const NODE_FILES = {
  "package.json": PACKAGE,
  "index.js": "module.exports = (value) => require('is-number')(value);\n",
  "index.test.js":
    "const test = require('node:test'); const assert = require('node:assert');\ntest('numbers', () => assert.equal(require('./built.js')(5), true));\n",
};

test("npm and a test runner, from the registry and then without it from the cache", async (context) => {
  await requireTool(context, "npm", "--version");
  const home = await createWarmHome(context);
  const build = "npm run build --silent && npm test --silent && echo tested";
  expectSuccess(await work(NODE_FILES, "allowlist", `npm install --no-audit --silent && ${build}`), "tested");
  process.env["HOME"] = home;
  try {
    const offline = `npm install --offline --no-audit --silent && ${build}`;
    expectSuccess(await work(NODE_FILES, "deny", offline), "tested");
  } finally {
    process.env["HOME"] = realHome;
  }
});

test("pip and pytest, without a network", async (context) => {
  await requireTool(context, "python3", "-m", "pip", "--version");
  const files = {
    // A build backend of the project's own, for pip could not fetch one.
    "pyproject.toml":
      '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "sample"\nversion = "1.0"\n',
    "backend.py":
      "import zipfile\ndef build_wheel(directory, settings=None, metadata=None):\n    name = 'sample-1.0-py3-none-any.whl'\n    with zipfile.ZipFile(f'{directory}/{name}', 'w') as wheel:\n        wheel.write('sample.py')\n        wheel.writestr('sample-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: sample\\nVersion: 1.0\\n')\n        wheel.writestr('sample-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n        wheel.writestr('sample-1.0.dist-info/RECORD', '')\n    return name\n",
    "sample.py": "def twice(value):\n    return value * 2\n",
    "tests/test_sample.py":
      "import unittest, sample\nclass Test(unittest.TestCase):\n    def test_twice(self):\n        self.assertEqual(sample.twice(2), 4)\n",
  };
  const install = "python3 -m venv .venv && .venv/bin/pip install --quiet --no-index . && cd tests";
  expectSuccess(await work(files, "deny", `${install} && ../.venv/bin/python -m unittest 2>&1`), "OK");
  await requireTool(context, "python3", "-m", "pytest", "--version");
  expectSuccess(await work(files, "deny", "PYTHONPATH=. python3 -m pytest -q"), "1 passed");
});

test("pip from PyPI", async (context) => {
  await requireTool(context, "python3", "-m", "pip", "--version");
  await requireHost(context, "https://pypi.org/simple/six/");
  expectSuccess(
    await work(
      { file: "" },
      "allowlist",
      "python3 -m venv v && v/bin/pip install six && v/bin/python -c 'import six; print(six.__name__)'",
    ),
    "six",
  );
});

const CARGO = {
  "Cargo.toml": '[package]\nname = "sample"\nversion = "0.1.0"\nedition = "2021"\n',
  "src/lib.rs":
    "pub fn twice(value: u32) -> u32 {\n    value * 2\n}\n#[test]\nfn doubles() {\n    assert_eq!(twice(2), 4);\n}\n",
};

test("cargo, without a network", async (context) => {
  await requireTool(context, "cargo", "--version");
  expectSuccess(await work(CARGO, "deny", "cargo test --offline --quiet 2>&1"), "1 passed");
});

test("cargo from crates.io", async (context) => {
  await requireTool(context, "cargo", "--version");
  await requireHost(context, "https://index.crates.io/config.json");
  const files = { ...CARGO, "Cargo.toml": `${CARGO["Cargo.toml"]}[dependencies]\nitoa = "1"\n` };
  expectSuccess(await work(files, "allowlist", "cargo test --quiet 2>&1"), "1 passed");
});

test("go, without a network", async (context) => {
  await requireTool(context, "go", "version");
  const files = {
    "go.mod": "module a.test/sample\n\ngo 1.20\n",
    "sample.go": "package sample\n\nfunc Twice(value int) int { return value * 2 }\n",
    "sample_test.go":
      'package sample\n\nimport "testing"\n\nfunc TestTwice(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fatal("wrong")\n\t}\n}\n',
  };
  expectSuccess(await work(files, "deny", "go build ./... && go test ./..."), "ok");
});

test("make and a C compiler, without a network", async (context) => {
  await requireTool(context, "make", "--version");
  await requireTool(context, "cc", "--version");
  const files = {
    Makefile: "all: sample\nsample: sample.c\n\tcc -O1 -o sample sample.c\ntest: sample\n\t./sample\n",
    "sample.c": '#include <stdio.h>\nint main(void) { printf("passed\\n"); return 0; }\n',
  };
  expectSuccess(await work(files, "deny", "make -j2 && make test"), "passed");
});

test("Debian's archive, by way of the list that every project has", async (context) => {
  const release = "http://deb.debian.org/debian/dists/stable/Release";
  await requireHost(context, release);
  expectSuccess(await work({ file: "" }, "allowlist", `curl -sSf -m 20 ${release} | head -n 3`), "Debian");
});
