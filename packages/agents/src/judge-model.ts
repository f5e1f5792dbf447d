import type { AgentModels } from "./agent-driver.ts";

/** Whether an agent has a model: it lists it, it may take it although it does not list it, or it does not have it. */
export type ModelVerdict =
  | { readonly type: "listed"; readonly id: string }
  | { readonly type: "unlisted" }
  | { readonly type: "unknown"; readonly nearest: readonly string[] };

const MAX_NEAREST = 5;

/** How many single letters must change to make one text the other. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at += 1) {
    const next = [at];
    for (let other = 1; other <= right.length; other += 1) {
      const swap = (row[other - 1] ?? 0) + (left[at - 1] === right[other - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** The listed names most like one that was typed: those that hold it first, then by how few letters differ. */
export function nearestModels(models: AgentModels["models"], typed: string): string[] {
  const text = typed.toLowerCase();
  const rank = (id: string): number => {
    const own = id.toLowerCase();
    return own.includes(text) || text.includes(own) ? 0 : distance(own, text);
  };
  return models
    .map(({ id }) => ({ id, rank: rank(id) }))
    .sort((left, right) => left.rank - right.rank || left.id.localeCompare(right.id))
    .slice(0, MAX_NEAREST)
    .map(({ id }) => id);
}

/** Judges the name of a model by what the agent lists: by its id, else by the name that it is shown under. */
export function judgeModel({ models, alsoTakes }: AgentModels, typed: string): ModelVerdict {
  if (models.some(({ id }) => id === typed)) return { type: "listed", id: typed };
  const shown = models.filter(({ name }) => name === typed);
  const [only] = shown;
  if (only !== undefined && shown.length === 1) return { type: "listed", id: only.id };
  if (alsoTakes.some((beginning) => typed.startsWith(beginning))) return { type: "unlisted" };
  return { type: "unknown", nearest: nearestModels(models, typed) };
}
