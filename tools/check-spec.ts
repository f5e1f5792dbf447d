import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { listSourceFiles } from "./list-source-files.ts";

const RULE = /^\s*(?:[-*]\s+)?(?:\*\*)?([A-Z]{2,4}\d+)\b/gm;
const TITLE = /["'`]((?:\[[A-Z]{2,4}\d+\]\s*)+)/g;

/** Rule ids of a SPEC.md in the order they are written, repetitions included. */
export function listRules(spec: string): string[] {
  return [...spec.matchAll(RULE)].map((match) => match[1] ?? "");
}

/** Rule ids that test titles of a file begin with: `"[TK3] ..."`, also several. */
export function listProvedRules(text: string): string[] {
  return [...text.matchAll(TITLE)].flatMap((match) =>
    [...(match[1] ?? "").matchAll(/\[([A-Z]{2,4}\d+)\]/g)].map((id) => id[1] ?? ""),
  );
}

function checkPackage(root: string, folder: string): string[] {
  const specPath = join(root, folder, "SPEC.md");
  const rules = existsSync(specPath) ? listRules(readFileSync(specPath, "utf8")) : [];
  const known = new Set(rules);
  const proved = new Map<string, string>();
  for (const file of listSourceFiles(root, [folder])) {
    if (!/\.test\.tsx?$/.test(file)) continue;
    for (const id of listProvedRules(readFileSync(join(root, file), "utf8"))) proved.set(id, file);
  }
  return [
    ...rules
      .filter((id, index) => rules.indexOf(id) !== index)
      .map((id) => `${folder}/SPEC.md: ${id} is there twice`),
    ...[...known]
      .filter((id) => !proved.has(id))
      .map((id) => `${folder}/SPEC.md: no test title begins with [${id}]`),
    ...[...proved]
      .filter(([id]) => !known.has(id))
      .map(([id, file]) => `${file}: [${id}] is no rule of ${folder}/SPEC.md`),
  ];
}

/** Every rule without a test and every test title that names a rule which does not exist; empty when all is well. */
export function checkSpec(root: string): string[] {
  return ["packages", "apps"].flatMap((group) =>
    existsSync(join(root, group))
      ? readdirSync(join(root, group)).flatMap((name) => checkPackage(root, `${group}/${name}`))
      : [],
  );
}
