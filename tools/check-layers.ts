import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { basename, dirname, join, posix } from "node:path";
import type { Layer } from "./layer-table.ts";
import { LAYERS } from "./layer-table.ts";
import { isTestFile, listSourceFiles } from "./list-source-files.ts";

const BANNED_NAMES = new Set([
  "utils",
  "helpers",
  "types",
  "interfaces",
  "services",
  "managers",
  "common",
  "misc",
  "index",
]);
const MAX_SOURCE_LINES = 500;
const MAX_TEST_LINES = 1000;
const BUILT_IN = new Set(builtinModules);

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readManifest(root: string, folder: string): Manifest {
  const path = join(root, folder, "package.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : {};
}

/** Every module that a text imports, static or dynamic with a plain string. */
export function listImports(text: string): string[] {
  const patterns = [
    /^(?:import|export)\b[^;"'`]*?\bfrom\s+"([^"]+)"/gm,
    /^import\s+"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
}

function packageNameOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

interface ImportContext {
  readonly folder: string;
  readonly layer: Layer;
  readonly declared: ReadonlySet<string>;
  readonly knownAnywhere: ReadonlySet<string>;
  readonly file: string;
}

function checkOwnPackage(specifier: string, context: ImportContext): string | null {
  const name = specifier.replace("@canopy/", "").split("/")[0] ?? "";
  const isTest = isTestFile(context.file);
  if (isTest)
    return LAYERS[`packages/${name}`] === undefined ? `tests import packages only, not ${specifier}` : null;
  if (!context.layer.packages.includes(name)) return `${context.folder} may not import ${specifier}`;
  if (!context.declared.has(`@canopy/${name}`))
    return `${specifier} is not in ${context.folder}/package.json`;
  return null;
}

/** Code below `src/node/` has an entry point of its own (`@canopy/NAME/node`), so the rest still runs anywhere. */
function isNodeEntry(path: string): boolean {
  return /^packages\/[^/]+\/src\/node\//.test(path);
}

function checkRelative(target: string, specifier: string, context: ImportContext): string | null {
  if (!target.startsWith(`${context.folder}/`)) return `${specifier} leaves the package`;
  const isNeutral = !context.layer.mayUseNode && !isNodeEntry(context.file) && !isTestFile(context.file);
  return isNeutral && isNodeEntry(target) ? `${specifier} would need Node wherever this runs` : null;
}

function checkExternal(name: string, context: ImportContext): string | null {
  const { folder, layer } = context;
  if (isTestFile(context.file) || layer.isDevelopmentOnly === true)
    return context.knownAnywhere.has(name) ? null : `${name} is in no package.json`;
  if (layer.external !== "any" && !layer.external.includes(name)) return `${folder} may not import ${name}`;
  return context.declared.has(name) ? null : `${name} is not in ${folder}/package.json`;
}

function checkImport(specifier: string, context: ImportContext): string | null {
  const isTest = isTestFile(context.file);
  if (specifier.startsWith(".")) {
    return checkRelative(posix.join(dirname(context.file), specifier), specifier, context);
  }
  if (specifier.startsWith("node:") || BUILT_IN.has(specifier)) {
    if (!specifier.startsWith("node:")) return `write node:${specifier}`;
    return isTest || context.layer.mayUseNode || isNodeEntry(context.file)
      ? null
      : `${context.folder} runs without Node, so no ${specifier}`;
  }
  if (specifier.startsWith("cloudflare:")) return null;
  if (specifier.startsWith("@canopy/")) return checkOwnPackage(specifier, context);
  return checkExternal(packageNameOf(specifier), context);
}

function checkShape(file: string, text: string): string[] {
  const problems: string[] = [];
  const name = basename(file);
  const stem = name.replace(/\..*$/, "");
  const isEntry = /^(packages|apps)\/[^/]+\/src\/index\.ts$/.test(file);
  if (BANNED_NAMES.has(stem) && !isEntry) problems.push(`${file}: the name '${stem}' says nothing`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.(ts|tsx|mts)$/.test(name))
    problems.push(`${file}: file names are kebab-case`);
  const lineCount = text.trimEnd().split("\n").length;
  const limit = isTestFile(file) ? MAX_TEST_LINES : MAX_SOURCE_LINES;
  if (lineCount > limit) problems.push(`${file}: ${lineCount} lines, at most ${limit}`);
  if (/^export \* /m.test(text)) problems.push(`${file}: export names one by one, not with export *`);
  return problems;
}

function checkManifest(root: string, folder: string, layer: Layer): string[] {
  return Object.keys(readManifest(root, folder).dependencies ?? {}).flatMap((dependency) => {
    const own = dependency.startsWith("@canopy/") ? dependency.slice("@canopy/".length) : null;
    const isAllowed =
      own === null
        ? layer.external === "any" || layer.external.includes(dependency)
        : layer.packages.includes(own);
    return isAllowed ? [] : [`${folder}/package.json: may not depend on ${dependency}`];
  });
}

/** Every breach of the layer table, of the naming rules and of the size limits, one line each; empty when all is well. */
export function checkLayers(root: string): string[] {
  const manifests = ["", ...Object.keys(LAYERS)].map((folder) => readManifest(root, folder));
  const knownAnywhere = new Set(
    manifests.flatMap((manifest) => Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })),
  );
  const problems: string[] = [];
  for (const [folder, layer] of Object.entries(LAYERS)) {
    problems.push(...checkManifest(root, folder, layer));
    const declared = new Set(Object.keys(readManifest(root, folder).dependencies ?? {}));
    for (const file of listSourceFiles(root, [folder])) {
      const text = readFileSync(join(root, file), "utf8");
      problems.push(...checkShape(file, text));
      const context: ImportContext = { folder, layer, declared, knownAnywhere, file };
      for (const specifier of listImports(text)) {
        const problem = checkImport(specifier, context);
        if (problem !== null) problems.push(`${file}: ${problem}`);
      }
    }
  }
  for (const file of listSourceFiles(root, ["tools", "bench"])) {
    problems.push(...checkShape(file, readFileSync(join(root, file), "utf8")));
  }
  for (const file of listSourceFiles(root, ["packages", "apps"])) {
    const folder = file.split("/").slice(0, 2).join("/");
    if (LAYERS[folder] === undefined) problems.push(`${file}: ${folder} is not in the layer table`);
  }
  return problems;
}
