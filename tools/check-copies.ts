import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

const OF_A_WORKSPACE = /^((?:packages|apps)\/[^/]+)\/node_modules\/((?:@[^/]+\/)?[^/]+)$/;

/**
 * Every library that the lockfile installs into a workspace's own folder (shape: npm's lockfile version 3), for each of
 * these is one more copy in the memory of every process that loads two workspaces; empty when all share the root's.
 */
export function checkCopies(root: string): string[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lockfile;
  return Object.entries(lock.packages).flatMap(([path, { version }]) => {
    const [, workspace, name] = OF_A_WORKSPACE.exec(path) ?? [];
    if (workspace === undefined || name === undefined) return [];
    const shared = lock.packages[`node_modules/${name}`]?.version ?? "none";
    return [
      `package-lock.json: ${workspace} has a copy of ${name} ${version ?? "?"} of its own (the root's: ${shared}); ` +
        `name ${name} ${version ?? ""} in the root's devDependencies and run npm dedupe`,
    ];
  });
}
