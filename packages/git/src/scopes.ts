import picomatch from "picomatch";

/** A part of a repository that is landed and tested on its own. `paths` are globs over slash-separated paths. */
export interface ScopeRule {
  readonly name: string;
  readonly paths: readonly string[];
}

/** Tells whether a path matches one of some globs; dot files count. */
export function createPathMatcher(globs: readonly string[]): (path: string) => boolean {
  if (globs.length === 0) return () => false;
  return picomatch([...globs], { dot: true });
}

/**
 * The names of the scopes that some paths are in, sorted; a path may be in several. Null when a path is in no scope: what
 * touches it concerns everything.
 */
export function scopesOf(paths: Iterable<string>, rules: readonly ScopeRule[]): string[] | null {
  const matchers = rules.map((rule) => ({ name: rule.name, matches: createPathMatcher(rule.paths) }));
  const names = new Set<string>();
  for (const path of paths) {
    const hits = matchers.filter(({ matches }) => matches(path));
    if (hits.length === 0) return null;
    for (const { name } of hits) names.add(name);
  }
  return [...names].sort();
}
