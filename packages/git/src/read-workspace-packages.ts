import picomatch from "picomatch";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { displayPath, isTreeEntry } from "./git-object.ts";
import type { Tree } from "./git-object.ts";
import type { Repository } from "./repository.ts";
import type { ScopeRule } from "./scopes.ts";

const globsSchema = z.array(z.string());
const packageSchema = z.looseObject({
  name: z.string().optional().catch(undefined),
  workspaces: z
    .union([globsSchema, z.looseObject({ packages: globsSchema }).transform((value) => value.packages)])
    .optional()
    .catch(undefined),
});
const pnpmSchema = z.looseObject({ packages: globsSchema.optional().catch(undefined) });
const cargoSchema = z.looseObject({
  package: z.looseObject({ name: z.string() }).optional().catch(undefined),
  workspace: z
    .looseObject({ members: globsSchema.default([]), exclude: globsSchema.default([]) })
    .optional()
    .catch(undefined),
});

const MAX_DEPTH = 8;

/** A kind of workspace: which manifest a member has, and what its members are called. */
interface WorkspaceKind {
  readonly manifest: string;
  /** Globs of member directories; a leading `!` takes out. Null when the commit has no workspace of this kind. */
  readonly readMembers: (reader: ManifestReader) => Promise<readonly string[] | null>;
  readonly readName: (text: string) => string | undefined;
}

/** Reads files of one commit. */
interface ManifestReader {
  read(path: string): Promise<string | null>;
}

/** A manifest that nobody can parse names no packages: the queue works without scopes then. */
function tryParse<T>(text: string | null, parse: (text: string) => T): T | null {
  if (text === null) return null;
  try {
    return parse(text);
  } catch {
    return null;
  }
}

const parsePackage = (text: string): z.infer<typeof packageSchema> => packageSchema.parse(JSON.parse(text));
const parseCargo = (text: string): z.infer<typeof cargoSchema> => cargoSchema.parse(parseToml(text));

/** The directories of `use` lines: `use ./a`, or one a line in `use ( ... )`. The format has no parser on npm. */
function parseGoWork(text: string): string[] {
  const lines = text.split("\n").map((line) => line.replace(/\/\/.*$/, "").trim());
  const found: string[] = [];
  let isInBlock = false;
  for (const line of lines) {
    if (isInBlock && line === ")") isInBlock = false;
    else if (/^use\s*\($/.test(line)) isInBlock = true;
    else {
      const value = isInBlock ? line : /^use\s+(.+)$/.exec(line)?.[1];
      if (value !== undefined && value !== "") found.push(value.replace(/^["`]|["`]$/g, ""));
    }
  }
  return found;
}

const KINDS: readonly WorkspaceKind[] = [
  {
    manifest: "package.json",
    async readMembers(reader): Promise<readonly string[] | null> {
      const pnpm = tryParse(await reader.read("pnpm-workspace.yaml"), (text) =>
        pnpmSchema.parse(parseYaml(text)),
      );
      const own = tryParse(await reader.read("package.json"), parsePackage);
      return pnpm?.packages ?? own?.workspaces ?? null;
    },
    readName: (text) => tryParse(text, parsePackage)?.name,
  },
  {
    manifest: "Cargo.toml",
    async readMembers(reader): Promise<readonly string[] | null> {
      const workspace = tryParse(await reader.read("Cargo.toml"), parseCargo)?.workspace;
      if (workspace === undefined) return null;
      return [...workspace.members, ...workspace.exclude.map((path) => `!${path}`)];
    },
    readName: (text) => tryParse(text, parseCargo)?.package?.name,
  },
  {
    manifest: "go.mod",
    readMembers: async (reader) => tryParse(await reader.read("go.work"), parseGoWork),
    readName: (text) => /^module\s+"?([^\s"]+)/m.exec(text)?.[1],
  },
];

function cleanGlob(glob: string): string {
  return glob.replace(/^\.\//, "").replace(/\/+$/, "");
}

/** How many levels of directories a list of globs can reach. */
function depthOf(globs: readonly string[]): number {
  if (globs.some((glob) => glob.includes("**"))) return MAX_DEPTH;
  return Math.min(MAX_DEPTH, Math.max(0, ...globs.map((glob) => glob.split("/").length)));
}

/** The directories below a tree that hold a manifest, without those that package managers fill. */
async function findDirectories(
  repository: Repository,
  place: { readonly tree: Tree; readonly path: string; readonly depth: number },
  manifest: string,
): Promise<string[]> {
  const own = place.path !== "" && place.tree.has(manifest) ? [place.path] : [];
  if (place.depth === 0) return own;
  const found: string[] = own;
  for (const entry of place.tree.values()) {
    if (!isTreeEntry(entry) || entry.name === "node_modules" || entry.name === "vendor") continue;
    const name = displayPath(entry.name);
    const tree = await repository.readTree(entry.objectId);
    const path = place.path === "" ? name : `${place.path}/${name}`;
    found.push(...(await findDirectories(repository, { tree, path, depth: place.depth - 1 }, manifest)));
  }
  return found;
}

async function readKind(
  repository: Repository,
  reader: ManifestReader & { readonly tree: Tree },
  kind: WorkspaceKind,
): Promise<ScopeRule[]> {
  const members = await kind.readMembers(reader);
  if (members === null) return [];
  const wanted = members.filter((glob) => !glob.startsWith("!")).map(cleanGlob);
  const unwanted = members.filter((glob) => glob.startsWith("!")).map((glob) => cleanGlob(glob.slice(1)));
  const [isWanted, isUnwanted] = [picomatch(wanted), picomatch(unwanted)];
  const place = { tree: reader.tree, path: "", depth: depthOf(wanted) };
  const rules: ScopeRule[] = [];
  for (const path of await findDirectories(repository, place, kind.manifest)) {
    if (!isWanted(path) || (unwanted.length > 0 && isUnwanted(path))) continue;
    const text = (await reader.read(`${path}/${kind.manifest}`)) ?? "";
    rules.push({ name: kind.readName(text) ?? path, paths: [`${escapeGlob(path)}/**`] });
  }
  return rules;
}

function escapeGlob(path: string): string {
  return path.replace(/[\\*?[\]{}()!+@]/g, "\\$&");
}

/**
 * The packages of a commit's workspaces as scopes, sorted by name: npm, yarn and bun `workspaces`, `pnpm-workspace.yaml`,
 * Cargo `[workspace]`, `go.work`. A directory that two kinds of workspace know is listed once for each. A manifest that
 * cannot be parsed counts as absent.
 */
export async function readWorkspacePackages(repository: Repository, commit: string): Promise<ScopeRule[]> {
  const tree = await repository.readTree((await repository.readCommit(commit)).tree);
  const reader = {
    tree,
    async read(path: string): Promise<string | null> {
      const object = await repository.readObject(`${commit}:${path}`);
      return object?.kind === "blob" ? object.content.toString("utf8") : null;
    },
  };
  const rules: ScopeRule[] = [];
  for (const kind of KINDS) rules.push(...(await readKind(repository, reader, kind)));
  return rules.sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}
