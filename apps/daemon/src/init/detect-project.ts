import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { suggestSteps } from "./suggest-steps.ts";
import type { SuggestedStep } from "./suggest-steps.ts";

/** A language that projects are told by. */
export type ProjectType = "node" | "rust" | "go" | "python" | "ruby" | "java" | "php" | "elixir";

/** What a project looks like, and what that suggests. Its JSON is what `canopy init --detect` prints. */
export interface Detection {
  readonly project: {
    /** The first of `types`; `unknown` when there is none. */
    readonly type: ProjectType | "unknown";
    readonly types: readonly ProjectType[];
    readonly root: string;
    /** Files that told the types. */
    readonly markers: readonly string[];
  };
  /** Folders and files of this person that are there; with `~` for the home. */
  readonly sandbox: {
    readonly tools: readonly string[];
    readonly configs: readonly string[];
    readonly caches: readonly string[];
  };
  readonly workspace: {
    /** A command that fetches what the project needs; null when none is known. */
    readonly setup: string | null;
  };
  readonly validation: {
    readonly suggested: readonly SuggestedStep[];
    readonly detected_files: Readonly<Record<string, boolean>>;
  };
}

const MARKERS: readonly (readonly [ProjectType, readonly string[]])[] = [
  ["node", ["package.json"]],
  ["rust", ["Cargo.toml"]],
  ["go", ["go.mod"]],
  ["python", ["pyproject.toml", "requirements.txt", "setup.py", "Pipfile"]],
  ["ruby", ["Gemfile"]],
  ["java", ["pom.xml", "build.gradle", "build.gradle.kts"]],
  ["php", ["composer.json"]],
  ["elixir", ["mix.exs"]],
];

const TOOLS: Readonly<Partial<Record<ProjectType, readonly string[]>>> = {
  node: ["~/.nvm", "~/.volta", "~/.fnm", "~/.bun", "~/.deno"],
  rust: ["~/.cargo", "~/.rustup"],
  go: ["~/go", "/usr/local/go", "~/.goenv"],
  python: ["~/.pyenv", "~/miniconda3", "~/anaconda3", "/opt/conda", "~/.poetry", "~/.local/share/uv"],
  ruby: ["~/.rbenv", "~/.rvm"],
  java: ["~/.sdkman", "~/.jenv"],
};
const ALL_TOOLS = ["~/.local/share/mise", "~/.asdf"];

/** Files that hold settings, not keys: those that usually hold keys (`.npmrc`, `.config/gh`, ...) are on the block list. */
const CONFIGS: Readonly<Partial<Record<ProjectType, readonly string[]>>> = {
  rust: ["~/.cargo/config.toml"],
  python: ["~/.config/pip/pip.conf", "~/.pip/pip.conf"],
};
const ALL_CONFIGS = ["~/.gitconfig"];

const CACHES: Readonly<Partial<Record<ProjectType, readonly string[]>>> = {
  node: ["~/.npm", "~/.local/share/pnpm/store", "~/.cache/yarn", "~/.yarn", "~/.bun/install/cache"],
  rust: ["~/.cargo/registry", "~/.cargo/git"],
  go: ["~/.cache/go-build", "~/go/pkg/mod"],
  python: ["~/.cache/pip", "~/.cache/uv"],
  ruby: ["~/.gem"],
  java: ["~/.m2/repository", "~/.gradle/caches"],
};

const DETECTED_FILES: Readonly<Record<string, readonly string[]>> = {
  justfile: ["justfile", "Justfile", ".justfile"],
  makefile: ["GNUmakefile", "makefile", "Makefile"],
  package_json: ["package.json"],
  cargo_toml: ["Cargo.toml"],
  go_mod: ["go.mod"],
  pyproject_toml: ["pyproject.toml"],
  gemfile: ["Gemfile"],
  pom_xml: ["pom.xml"],
  build_gradle: ["build.gradle", "build.gradle.kts"],
};

const SETUPS: readonly (readonly [file: string, command: string])[] = [
  ["pnpm-lock.yaml", "pnpm install --frozen-lockfile"],
  ["yarn.lock", "yarn install --frozen-lockfile"],
  ["bun.lock", "bun install --frozen-lockfile"],
  ["bun.lockb", "bun install --frozen-lockfile"],
  ["package-lock.json", "npm ci"],
  ["uv.lock", "uv sync --frozen"],
  ["poetry.lock", "poetry install"],
  ["requirements.txt", "python -m venv .venv && .venv/bin/pip install -r requirements.txt"],
  ["Gemfile.lock", "bundle install"],
  ["composer.lock", "composer install"],
  ["mix.lock", "mix deps.get"],
];

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function keepThere(paths: readonly string[], toPath: (path: string) => string): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => exists(toPath(path))));
  return paths.filter((_path, index) => found[index]);
}

/** Reads the files that say how a project is built; those that are not there are left out. */
async function readProjectFiles(root: string): Promise<Map<string, string>> {
  const names = [
    ...Object.values(DETECTED_FILES).flat(),
    ...SETUPS.map(([file]) => file),
    "setup.py",
    "Pipfile",
    "pytest.ini",
    "tox.ini",
    "composer.json",
    "mix.exs",
    "gradlew",
    "mvnw",
    "Rakefile",
  ];
  const files = new Map<string, string>();
  for (const name of names) {
    const text = await readFile(join(root, name), "utf8").catch(() => null);
    if (text !== null) files.set(name, text.slice(0, 1_000_000));
  }
  return files;
}

/**
 * Looks at a project's files and at this person's tools: languages, caches, and the commands that test it. Reads only; runs
 * nothing.
 */
export async function detectProject(root: string, home: string = homedir()): Promise<Detection> {
  const files = await readProjectFiles(root);
  const found = MARKERS.map(([type, markers]) => ({
    type,
    markers: markers.filter((marker) => files.has(marker)),
  })).filter(({ markers }) => markers.length > 0);
  const types = found.map(({ type }) => type);
  const expand = (path: string): string => (path.startsWith("~/") ? join(home, path.slice(2)) : path);
  const ofTypes = (table: Readonly<Partial<Record<ProjectType, readonly string[]>>>): string[] =>
    types.flatMap((type) => table[type] ?? []);
  const hasTests = (await exists(join(root, "tests"))) || (await exists(join(root, "test")));
  return {
    project: {
      type: types[0] ?? "unknown",
      types,
      root,
      markers: found.flatMap(({ markers }) => markers),
    },
    sandbox: {
      tools: await keepThere([...ofTypes(TOOLS), ...ALL_TOOLS], expand),
      configs: await keepThere([...ofTypes(CONFIGS), ...ALL_CONFIGS], expand),
      caches: await keepThere(ofTypes(CACHES), expand),
    },
    workspace: { setup: SETUPS.find(([file]) => files.has(file))?.[1] ?? null },
    validation: {
      suggested: suggestSteps(files, hasTests),
      detected_files: Object.fromEntries(
        Object.entries(DETECTED_FILES).map(([key, names]) => [key, names.some((name) => files.has(name))]),
      ),
    },
  };
}
