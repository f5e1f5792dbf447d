import type { ProjectConfig } from "@canopy/protocol";
import type { Repository, ScopeRule } from "@canopy/git";
import { readWorkspacePackages, restrictTree } from "@canopy/git";

/** The scopes of a project at a commit: those of the configuration, and its workspace's packages where it wants them. */
export async function readScopes(
  repository: Repository,
  config: ProjectConfig,
  commit: string,
): Promise<readonly ScopeRule[]> {
  const { scopes, package_scopes: hasPackages } = config.queue;
  return hasPackages ? [...scopes, ...(await readWorkspacePackages(repository, commit))] : scopes;
}

/**
 * What a validation of a tree is remembered by in a lane: the tree without what belongs to other scopes only, so that a
 * landing in another lane leaves it as it is. The common lane has the whole tree.
 */
export async function validationKey(
  repository: Repository,
  tree: string,
  lane: { readonly scopes: readonly string[] | null; readonly rules: readonly ScopeRule[] },
): Promise<string> {
  const { scopes, rules } = lane;
  if (scopes === null) return tree;
  const others = rules.filter((rule) => !scopes.includes(rule.name));
  const own = new Set(rules.filter((rule) => scopes.includes(rule.name)).flatMap((rule) => rule.paths));
  const dropped = others.flatMap((rule) => rule.paths).filter((glob) => !own.has(glob));
  return dropped.length === 0 ? tree : await restrictTree(repository, tree, dropped);
}
