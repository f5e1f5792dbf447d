/** A file of the demo's repository. */
export interface DemoFile {
  readonly path: string;
  readonly content: string;
}

/** A task of the demo with what the scripted agent does for it. */
export interface DemoTask {
  readonly key: string;
  readonly title: string;
  readonly description: string;
  readonly taskType: string;
  readonly priority: number;
  readonly dependsOn: readonly string[];
  readonly steps: readonly object[];
}

/** Two commits of history: a small library of text functions, with a bug in it. */
export const DEMO_HISTORY: readonly { readonly message: string; readonly files: readonly DemoFile[] }[] = [
  {
    message: "Start a small library of text functions",
    files: [
      {
        path: "package.json",
        content: `${JSON.stringify({ name: "wordsmith", version: "0.1.0", type: "module", private: true, exports: "./src/index.js", scripts: { test: "node --test" } }, null, 2)}\n`,
      },
      {
        path: "README.md",
        content:
          "# wordsmith\n\nSmall functions for text.\n\n## Functions\n\n- `capitalize(text)`: the first letter large.\n",
      },
      { path: ".gitignore", content: "node_modules/\n*.log\n" },
      {
        path: "src/capitalize.js",
        content:
          "/** Makes the first letter large. */\nexport function capitalize(text) {\n  return text[0].toUpperCase() + text.slice(1);\n}\n",
      },
      { path: "src/index.js", content: 'export { capitalize } from "./capitalize.js";\n' },
    ],
  },
  {
    message: "Test capitalize",
    files: [
      {
        path: "test/capitalize.test.js",
        content:
          'import assert from "node:assert/strict";\nimport { test } from "node:test";\nimport { capitalize } from "../src/index.js";\n\ntest("capitalize makes the first letter large", () => {\n  assert.equal(capitalize("word"), "Word");\n});\n',
      },
    ],
  },
];

interface FunctionPlan {
  readonly key: string;
  readonly name: string;
  readonly file: string;
  readonly doc: string;
  readonly body: string;
  readonly call: string;
  readonly result: string;
  readonly paceMs: number;
}

function functionTask(plan: FunctionPlan): DemoTask {
  const source = `/** ${plan.doc} */\nexport function ${plan.name}${plan.body}`;
  const test = `import assert from "node:assert/strict";\nimport { test } from "node:test";\nimport { ${plan.name} } from "../src/${plan.file}.js";\n\ntest(${JSON.stringify(plan.call)}, () => {\n  assert.deepEqual(${plan.call}, ${plan.result});\n});\n`;
  return {
    key: plan.key,
    title: `Add ${plan.name}`,
    description: `${plan.doc} Put it into src/${plan.file}.js, with a test.`,
    taskType: "feature",
    priority: 2,
    dependsOn: [],
    steps: [
      { think: `What should ${plan.name} do with empty text?` },
      { delayMs: plan.paceMs },
      { write: { path: `src/${plan.file}.js`, content: source } },
      { delayMs: plan.paceMs / 2 },
      { write: { path: `test/${plan.file}.test.js`, content: test } },
      { shell: { command: `"$CANOPY_DEMO_NODE" --test test/${plan.file}.test.js`, expectExitCode: 0 } },
      { commit: { message: `Add ${plan.name}` } },
      { usage: { inputTokens: 2100, outputTokens: 640, costUsd: 0.011 } },
      { say: { text: `${plan.name} is there, and its test passes.`, chunkMs: 40 } },
    ],
  };
}

const FUNCTIONS: readonly FunctionPlan[] = [
  {
    key: "slugify",
    name: "slugify",
    file: "slugify",
    doc: "Turns a title into a part of a URL.",
    body: '(text) {\n  return text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");\n}\n',
    call: 'slugify("Hello, World!")',
    result: '"hello-world"',
    paceMs: 900,
  },
  {
    key: "title-case",
    name: "titleCase",
    file: "title-case",
    doc: "Makes the first letter of every word large.",
    body: "(text) {\n  return text.replace(/\\b[a-z]/g, (letter) => letter.toUpperCase());\n}\n",
    call: 'titleCase("a fine day")',
    result: '"A Fine Day"',
    paceMs: 700,
  },
  {
    key: "count-words",
    name: "countWords",
    file: "count-words",
    doc: "Counts the words of a text.",
    body: '(text) {\n  const words = text.trim().split(/\\s+/);\n  return words[0] === "" ? 0 : words.length;\n}\n',
    call: 'countWords("one two  three")',
    result: "3",
    paceMs: 1100,
  },
  {
    key: "truncate",
    name: "truncate",
    file: "truncate",
    doc: "Cuts a text to a length, with an ellipsis.",
    body: '(text, length) {\n  return text.length <= length ? text : text.slice(0, Math.max(0, length - 1)) + "\\u2026";\n}\n',
    call: 'truncate("abcdef", 4)',
    result: '"abc\\u2026"',
    paceMs: 800,
  },
  {
    key: "reverse-words",
    name: "reverseWords",
    file: "reverse-words",
    doc: "Turns the order of the words around.",
    body: '(text) {\n  return text.split(/\\s+/).reverse().join(" ");\n}\n',
    call: 'reverseWords("one two three")',
    result: '"three two one"',
    paceMs: 600,
  },
];

const INDEX = `export { capitalize } from "./capitalize.js";\n${FUNCTIONS.map((plan) => `export { ${plan.name} } from "./${plan.file}.js";\n`).join("")}`;

const CLI = `#!/usr/bin/env node
import * as wordsmith from "./index.js";

const [name, ...words] = process.argv.slice(2);
const apply = wordsmith[name];
if (typeof apply !== "function") {
  console.error("usage: wordsmith " + Object.keys(wordsmith).join("|") + " TEXT");
  process.exit(2);
}
console.log(apply(words.join(" ")));
`;

const CLI_TEST = `import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

test("the command line prints what the function gives", () => {
  const output = execFileSync(process.execPath, ["src/cli.js", "slugify", "A", "Day"], { encoding: "utf8" });
  assert.equal(output, "a-day\\n");
});
`;

const OTHERS: readonly DemoTask[] = [
  {
    key: "bug",
    title: "capitalize fails on empty text",
    description: 'capitalize("") throws a TypeError. It should return the empty text.',
    taskType: "bug",
    priority: 0,
    dependsOn: [],
    steps: [
      { say: { text: "Reproducing it first.", chunkMs: 30 } },
      {
        shell: {
          command: '"$CANOPY_DEMO_NODE" -e \'import("./src/index.js").then((m) => m.capitalize(""))\'',
          expectExitCode: 1,
        },
      },
      { delayMs: 500 },
      {
        replace: {
          path: "src/capitalize.js",
          find: "text[0].toUpperCase()",
          with: "text.slice(0, 1).toUpperCase()",
        },
      },
      {
        append: {
          path: "test/capitalize.test.js",
          content:
            '\ntest("capitalize leaves empty text alone", () => {\n  assert.equal(capitalize(""), "");\n});\n',
        },
      },
      { shell: { command: '"$CANOPY_DEMO_NODE" --test test/capitalize.test.js', expectExitCode: 0 } },
      { commit: { message: "Let capitalize take empty text" } },
      { usage: { inputTokens: 1500, outputTokens: 310, costUsd: 0.007 } },
      { say: "Fixed, with a test that failed before." },
    ],
  },
  {
    key: "exports",
    title: "Export all functions from the index",
    description: "src/index.js should export every function of the library.",
    taskType: "task",
    priority: 1,
    dependsOn: ["bug", ...FUNCTIONS.map((plan) => plan.key)],
    steps: [
      { delayMs: 500 },
      { write: { path: "src/index.js", content: INDEX } },
      { shell: { command: '"$CANOPY_DEMO_NODE" --test', expectExitCode: 0 } },
      { usage: { inputTokens: 900, outputTokens: 200, costUsd: 0.004 } },
      { say: "All six are exported. I left this uncommitted; Canopy takes it over all the same." },
    ],
  },
  {
    key: "cli",
    title: "Add a command line",
    description: "src/cli.js: wordsmith FUNCTION TEXT prints the result.",
    taskType: "feature",
    priority: 2,
    dependsOn: ["exports"],
    steps: [
      { delayMs: 900 },
      { write: { path: "src/cli.js", content: CLI } },
      { chmod: { path: "src/cli.js", mode: "755" } },
      { write: { path: "test/cli.test.js", content: CLI_TEST } },
      { shell: { command: '"$CANOPY_DEMO_NODE" --test test/cli.test.js', expectExitCode: 0 } },
      { commit: { message: "Add a command line" } },
      { usage: { inputTokens: 2600, outputTokens: 700, costUsd: 0.013 } },
      { say: "It is there, and tested." },
    ],
  },
  {
    key: "readme",
    title: "Document every function in the README",
    description: "One line for each.",
    taskType: "task",
    priority: 2,
    dependsOn: ["exports"],
    steps: [
      { delayMs: 700 },
      {
        append: {
          path: "README.md",
          content: FUNCTIONS.map(
            (plan) => `- \`${plan.name}\`: ${plan.doc.charAt(0).toLowerCase()}${plan.doc.slice(1)}\n`,
          ).join(""),
        },
      },
      { usage: { inputTokens: 1200, outputTokens: 400, costUsd: 0.006 } },
      { say: "Written." },
    ],
  },
  {
    key: "editorconfig",
    title: "Agree on white space",
    description: "Add an .editorconfig.",
    taskType: "chore",
    priority: 3,
    dependsOn: [],
    steps: [
      { delayMs: 400 },
      {
        write: {
          path: ".editorconfig",
          content:
            "root = true\n\n[*]\nindent_style = space\nindent_size = 2\nend_of_line = lf\ninsert_final_newline = true\n",
        },
      },
      { usage: { inputTokens: 500, outputTokens: 90, costUsd: 0.002 } },
      { say: "Two spaces it is." },
    ],
  },
  {
    key: "layout",
    title: "Move the tests next to the sources' names",
    description: "Rename test/ to tests/.",
    taskType: "chore",
    priority: 3,
    dependsOn: ["cli"],
    steps: [
      { delayMs: 400 },
      { shell: { command: "mv test tests && git add --all", expectExitCode: 0 } },
      { shell: { command: '"$CANOPY_DEMO_NODE" --test', expectExitCode: 0 } },
      { commit: { message: "Rename test to tests" } },
      { usage: { inputTokens: 700, outputTokens: 120, costUsd: 0.003 } },
      { say: "Renamed; the tests still pass." },
    ],
  },
  {
    key: "release",
    title: "Prepare version 0.2.0",
    description: "Changelog and version number.",
    taskType: "task",
    priority: 4,
    dependsOn: ["layout", "readme", "editorconfig"],
    steps: [
      { delayMs: 500 },
      { replace: { path: "package.json", find: '"0.1.0"', with: '"0.2.0"' } },
      {
        write: {
          path: "CHANGELOG.md",
          content:
            "# Changelog\n\n## 0.2.0\n\n- Five new functions, and a command line.\n- capitalize takes empty text.\n",
        },
      },
      { commit: { message: "Release 0.2.0" } },
      { usage: { inputTokens: 800, outputTokens: 180, costUsd: 0.004 } },
      { say: "Ready to publish." },
    ],
  },
];

/** The demo's dozen tasks. */
export const DEMO_TASKS: readonly DemoTask[] = [...FUNCTIONS.map((plan) => functionTask(plan)), ...OTHERS];

/** The script that the demo's agents play, task by task. */
export function createDemoScript(): object {
  return { version: 1, chunkMs: 20, tasks: DEMO_TASKS.map(({ title, steps }) => ({ title, steps })) };
}
