import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parseConfig } from "../config/load-config.ts";
import { detectProject } from "./detect-project.ts";
import type { Detection } from "./detect-project.ts";
import { createQuestions, parseAnswers, suggestAnswers } from "./init-answers.ts";
import { renderConfig } from "./render-config.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function detect(
  files: Readonly<Record<string, string>>,
  homeFiles: readonly string[] = [],
): Promise<Detection> {
  const base = await mkdtemp(join(tmpdir(), "canopy-init-"));
  folders.push(base);
  const all = { ...files, ...Object.fromEntries(homeFiles.map((path) => [`../home/${path}`, ""])) };
  await mkdir(join(base, "project"));
  await mkdir(join(base, "home"));
  for (const [path, text] of Object.entries(all)) {
    const file = join(base, "project", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return await detectProject(join(base, "project"), join(base, "home"));
}

const stepsOf = ({ validation }: Detection): string[] =>
  validation.suggested.map(({ name, command, confidence }) => `${name}: ${command} (${confidence})`);

test("a Go project: types, markers, tools, caches and steps", async () => {
  const found = await detect({ "go.mod": "module a.test/b\n", "main.go": "package main\n" }, [
    "go/pkg/mod/x",
    ".cache/go-build/x",
    ".config/gh/hosts.yml",
    ".gitconfig",
  ]);
  expect({ ...found, project: { ...found.project, root: "" } }).toEqual({
    project: { type: "go", types: ["go"], root: "", markers: ["go.mod"] },
    sandbox: {
      tools: ["~/go"],
      configs: ["~/.gitconfig"],
      caches: ["~/.cache/go-build", "~/go/pkg/mod"],
    },
    workspace: { setup: null },
    validation: {
      suggested: [
        { name: "build", command: "go build ./...", confidence: "high" },
        { name: "test", command: "go test ./...", confidence: "high" },
      ],
      detected_files: {
        justfile: false,
        makefile: false,
        package_json: false,
        cargo_toml: false,
        go_mod: true,
        pyproject_toml: false,
        gemfile: false,
        pom_xml: false,
        build_gradle: false,
      },
    },
  });
});

test.each([
  [
    "Node with pnpm, whose placeholder test is none",
    {
      "package.json": JSON.stringify({
        scripts: {
          build: "tsc",
          test: 'echo "Error: no test specified" && exit 1',
          lint: "x",
          start: "x",
          fmt: "x",
        },
      }),
      "pnpm-lock.yaml": "",
    },
    ["build: pnpm run build (medium)", "lint: pnpm run lint (medium)"],
    "pnpm install --frozen-lockfile",
  ],
  ["a package.json that is no JSON", { "package.json": "{", "package-lock.json": "{}" }, [], "npm ci"],
  [
    "Python that uses pytest",
    { "pyproject.toml": "[tool.pytest.ini_options]\n", "uv.lock": "" },
    ["test: python -m pytest (medium)"],
    "uv sync --frozen",
  ],
  [
    "Python with tests but no pytest",
    { "setup.py": "", "tests/test_a.py": "" },
    ["test: python -m unittest discover (medium)"],
    null,
  ],
  [
    "a makefile, whose word counts before the language's",
    {
      "Cargo.toml": "[package]\n",
      Makefile:
        "CC := cc\nVAR ::= x\n.PHONY: all test\nall build: main.o\nmain.o: main.c\n\tcc -c main.c\n%.o: %.c\ntest:: build\n\t./t\nclean:\n",
    },
    ["build: make build (high)", "test: make test (high)", "all: make all (low)", "clean: make clean (low)"],
    null,
  ],
  [
    "a justfile, without private recipes, variables and those that need arguments",
    {
      justfile:
        'set shell := ["sh"]\nversion := "1"\n\n@check:\n  true\n_hidden:\n  true\n[private]\ninner:\n  true\ndeploy target:\n  true\nrun *args:\n  true\n',
    },
    ["check: just check (high)", "run: just run (low)"],
    null,
  ],
  [
    "two languages, whose tests are told apart",
    { "go.mod": "", "package.json": JSON.stringify({ scripts: { test: "vitest" } }) },
    ["build: go build ./... (high)", "go-test: go test ./... (high)", "npm-test: npm test (medium)"],
    null,
  ],
  [
    "Java and Ruby",
    { "pom.xml": "", mvnw: "", Gemfile: "", Rakefile: "" },
    ["mvnw-test: ./mvnw -q test (medium)", "bundle-test: bundle exec rake test (medium)"],
    null,
  ],
] as const)("%s", async (_name, files, steps, setup) => {
  const found = await detect(files);
  expect([stepsOf(found), found.workspace.setup]).toEqual([steps, setup]);
});

test("what is written is valid, says what was found, and switches on only what was chosen", async () => {
  const odd = 'printf "\\"a\\" \u007f\\n"';
  const found = await detect({ "package.json": JSON.stringify({ scripts: { test: "x", build: "y" } }) }, [
    ".npm/x",
    ".nvm/x",
  ]);
  const yes = suggestAnswers(found);
  const off = parseConfig(renderConfig(found, { ...yes, isValidated: false }), "config.toml");
  const on = parseConfig(renderConfig(found, yes), "config.toml");
  const own = parseAnswers(
    JSON.stringify({ validation_mode: "lenient", validation_steps: ["test", "make x"], extra_commands: odd }),
    found,
  );
  const chosen = parseConfig(renderConfig(found, own), "config.toml");
  expect(off).toEqual(parseConfig("", "config.toml"));
  expect(on.validation.steps.map(({ name, command }) => [name, command])).toEqual([
    ["test", "npm test"],
    ["build", "npm run build"],
  ]);
  expect([chosen.validation.mode, chosen.validation.steps.map(({ command }) => command)]).toEqual([
    "lenient",
    ["npm test", "make x", odd],
  ]);
  const text = renderConfig(found, { ...yes, isValidated: false });
  expect(text).toContain("such as ~/.npm");
  expect(text).toContain("(found: ~/.nvm)");
  const uncommented = text.replaceAll(/^# (?=\S+ = |\[)/gm, "").replaceAll('["claude"]', "");
  expect(parseConfig(uncommented, "config.toml").validation.enabled).toBe(true);
});

test("the questions depend on each other, and answers that fit none are refused", async () => {
  const found = await detect({ "go.mod": "" });
  expect(
    createQuestions(found).map(({ id, type, default: byDefault, depends_on: on }) => [
      id,
      type,
      byDefault,
      on?.question_id,
    ]),
  ).toEqual([
    ["confirm_validation", "single_select", "yes", undefined],
    ["validation_mode", "single_select", "strict", "confirm_validation"],
    ["validation_steps", "multi_select", ["build", "test"], "confirm_validation"],
    ["extra_commands", "freeform", "", "confirm_validation"],
  ]);
  for (const text of [
    "no json",
    "[]",
    '{"colour":"red"}',
    '{"validation_mode":"loud"}',
    '{"validation_steps":[1]}',
    '{"confirm_validation":"yes","validation_steps":[]}',
  ])
    expect(() => parseAnswers(text, found), text).toThrow(expect.objectContaining({ code: "usage.invalid" }));
  expect(parseAnswers('{"confirm_validation":false}', found).isValidated).toBe(false);
  const nothing = await detect({});
  expect([nothing.project.type, suggestAnswers(nothing).isValidated]).toEqual(["unknown", false]);
});
