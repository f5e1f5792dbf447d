/** A command that may say whether a project is in order. */
export interface SuggestedStep {
  readonly name: string;
  readonly command: string;
  readonly confidence: "high" | "medium" | "low";
}

type Files = ReadonlyMap<string, string>;

const ORDER = { high: 0, medium: 1, low: 2 } as const;
/** Names of targets that check, and change nothing that a person would miss. */
const CHECKS = /^(build|test|tests|check|lint|fmt|format-check|verify|compile|typecheck|types|vet|ci)$/;
/** Those that write files are no check. */
const WRITES = /^(fmt|format)$/;

function readScripts(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return {};
    const scripts: unknown = Reflect.get(parsed, "scripts");
    return typeof scripts === "object" && scripts !== null ? { ...scripts } : {};
  } catch {
    return {};
  }
}

function packageManager(files: Files): string {
  if (files.has("pnpm-lock.yaml")) return "pnpm";
  if (files.has("yarn.lock")) return "yarn";
  if (files.has("bun.lock") || files.has("bun.lockb")) return "bun";
  return "npm";
}

function suggestNode(files: Files): SuggestedStep[] {
  const text = files.get("package.json");
  if (text === undefined) return [];
  const manager = packageManager(files);
  return Object.entries(readScripts(text)).flatMap(([name, script]): SuggestedStep[] => {
    if (typeof script !== "string" || !CHECKS.test(name) || WRITES.test(name)) return [];
    // What `npm init` writes is no test.
    if (name === "test" && script.includes("no test specified")) return [];
    const command = name === "test" && manager !== "bun" ? `${manager} test` : `${manager} run ${name}`;
    return [{ name, command, confidence: "medium" }];
  });
}

function suggestPython(files: Files, hasTests: boolean): SuggestedStep[] {
  const sources = ["pyproject.toml", "requirements.txt", "setup.py", "Pipfile", "tox.ini"];
  const isPython = sources.slice(0, 4).some((name) => files.has(name));
  if (!isPython) return [];
  const usesPytest =
    files.has("pytest.ini") || sources.some((name) => (files.get(name) ?? "").includes("pytest"));
  if (usesPytest) return [{ name: "test", command: "python -m pytest", confidence: "medium" }];
  if (!hasTests) return [];
  return [{ name: "test", command: "python -m unittest discover", confidence: "medium" }];
}

function suggestJava(files: Files): SuggestedStep[] {
  if (files.has("pom.xml")) {
    const maven = files.has("mvnw") ? "./mvnw" : "mvn";
    return [{ name: "test", command: `${maven} -q test`, confidence: "medium" }];
  }
  if (!files.has("build.gradle") && !files.has("build.gradle.kts")) return [];
  const gradle = files.has("gradlew") ? "./gradlew" : "gradle";
  return [{ name: "test", command: `${gradle} test`, confidence: "medium" }];
}

function suggestOthers(files: Files): SuggestedStep[] {
  const steps: SuggestedStep[] = [];
  if (files.has("Gemfile"))
    steps.push({
      name: "test",
      command: "bundle exec rake test",
      confidence: files.has("Rakefile") ? "medium" : "low",
    });
  if (files.has("composer.json"))
    steps.push({ name: "test", command: "composer run-script test", confidence: "low" });
  if (files.has("mix.exs")) steps.push({ name: "test", command: "mix test", confidence: "medium" });
  return steps;
}

function buildAndTest(isThere: boolean, tool: string, where: string): SuggestedStep[] {
  if (!isThere) return [];
  return [
    { name: "build", command: `${tool} build${where}`, confidence: "high" },
    { name: "test", command: `${tool} test${where}`, confidence: "high" },
  ];
}

/** Recipes of a justfile that can be run without arguments and are not private. */
function listJustRecipes(text: string): string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const [, name, parameters = ""] = /^@?([A-Za-z][\w-]*)((?:\s+[^:=]+)*)\s*:(?!=)/.exec(line) ?? [];
    const isPrivate = (lines[index - 1] ?? "").includes("[private]");
    if (name === undefined || isPrivate || /^(set|export|alias|import|mod)$/.test(name)) return [];
    const needed = parameters.split(/\s+/).filter((each) => each !== "" && !/^[*]/.test(each));
    return needed.length > 0 ? [] : [name];
  });
}

/** Targets of a makefile that are names, not files or patterns. */
function listMakeTargets(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const names = /^([A-Za-z][\w -]*?)\s*::?(?![=:])/.exec(line)?.[1] ?? "";
    return names.split(/\s+/).filter((name) => name !== "");
  });
}

function suggestTargets(tool: string, names: readonly string[]): SuggestedStep[] {
  return [...new Set(names)].map((name) => ({
    name,
    command: `${tool} ${name}`,
    confidence: CHECKS.test(name) ? "high" : "low",
  }));
}

function firstOf(files: Files, names: readonly string[]): string {
  return names.map((name) => files.get(name)).find((text) => text !== undefined) ?? "";
}

/**
 * The commands that may validate a project, the surest first; each name once, the project's own targets before what a
 * language usually has. `hasTests`: there is a folder of tests.
 */
export function suggestSteps(files: Files, hasTests: boolean): SuggestedStep[] {
  const byLanguage = [
    buildAndTest(files.has("go.mod"), "go", " ./..."),
    buildAndTest(files.has("Cargo.toml"), "cargo", ""),
    suggestNode(files),
    suggestPython(files, hasTests),
    suggestJava(files),
    suggestOthers(files),
  ];
  const own = [
    ...suggestTargets("just", listJustRecipes(firstOf(files, ["justfile", "Justfile", ".justfile"]))),
    ...suggestTargets("make", listMakeTargets(firstOf(files, ["GNUmakefile", "makefile", "Makefile"]))),
  ];
  const isPolyglot = byLanguage.filter((steps) => steps.length > 0).length > 1;
  const named = byLanguage.flat().map((step) => {
    // Two languages both have a `test`: each keeps its own.
    const clashes = byLanguage.flat().filter(({ name }) => name === step.name).length > 1;
    const [tool = ""] = step.command.replace("python -m ", "").split(" ");
    return isPolyglot && clashes ? { ...step, name: `${tool.replace("./", "")}-${step.name}` } : step;
  });
  const sorted = [...own, ...named].toSorted((a, b) => ORDER[a.confidence] - ORDER[b.confidence]);
  return sorted.filter((step, index) => sorted.findIndex(({ name }) => name === step.name) === index);
}

/** What is taken when nobody chooses: what is at least likely, and writes nothing. */
export function pickSteps(suggested: readonly SuggestedStep[]): SuggestedStep[] {
  return suggested.filter(({ confidence, name }) => confidence !== "low" && !WRITES.test(name));
}
