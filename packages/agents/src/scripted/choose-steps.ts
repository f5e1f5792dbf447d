import type { Script, ScriptStep } from "./script-schema.ts";

/** What decides which steps are played. */
export interface PromptContext {
  readonly prompt: string;
  readonly title: string | null;
  readonly labels: readonly string[];
  /** 1 for the first try. */
  readonly attemptNumber: number;
}

interface Part {
  readonly steps?: readonly ScriptStep[] | undefined;
  readonly attempts?: readonly (readonly ScriptStep[])[] | undefined;
}

const SCRIPT_BLOCK = /^(`{3,})canopy-script[^\S\n]*\n([\s\S]*?)\n\1[^\S\n]*$/gm;
const CONTEXT_BLOCK = /^(`{3,})canopy-context\n[\s\S]*?\n\1$/gm;

/** The text of the last script block of a prompt; null when it has none. */
export function findScriptBlock(prompt: string): string | null {
  return [...prompt.matchAll(SCRIPT_BLOCK)].at(-1)?.[2] ?? null;
}

/** The title of a task as a prompt tells it: its first heading, else its first line. Null for an empty prompt. */
export function findTitle(prompt: string): string | null {
  const text = prompt.replaceAll(CONTEXT_BLOCK, "").replaceAll(SCRIPT_BLOCK, "");
  const heading = /^#+\s*(?:Task:\s*)?(\S.*)$/m.exec(text)?.[1];
  const line = heading ?? text.split("\n").find((candidate) => candidate.trim() !== "");
  return line === undefined ? null : line.trim().slice(0, 200);
}

/** True when `*` and `?` of the glob make it match the whole text, ignoring case. */
export function matchesGlob(glob: string, text: string): boolean {
  const pattern = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[\\s\\S]*")
    .replaceAll("?", "[\\s\\S]");
  return new RegExp(`^${pattern}$`, "i").test(text);
}

function stepsOfPart(part: Part, attemptNumber: number): readonly ScriptStep[] | null {
  const { attempts, steps } = part;
  if (attempts === undefined) return steps ?? null;
  return attempts[Math.min(attemptNumber, attempts.length) - 1] ?? null;
}

/** The steps of the first task entry that matches, else those of the script itself; null when it has neither. */
export function chooseSteps(script: Script, context: PromptContext): readonly ScriptStep[] | null {
  const entry = script.tasks.find((task) => {
    const hasTitle =
      task.title === undefined || (context.title !== null && matchesGlob(task.title, context.title));
    return hasTitle && (task.label === undefined || context.labels.includes(task.label));
  });
  return stepsOfPart(entry ?? script, context.attemptNumber);
}

/** A 32-bit FNV-1a hash as eight hexadecimal digits: the same prompt always leaves the same mark. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function toSlug(title: string): string {
  const words = title
    .toLowerCase()
    .normalize("NFKD")
    .replaceAll(/[^a-z0-9]+/g, "-");
  const slug = words
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 60)
    .replace(/-+$/, "");
  return slug === "" ? `note-${fingerprint(title)}` : slug;
}

/** What the agent does without a script: a small, plausible, deterministic change that follows from the prompt. */
export function createDefaultSteps(context: PromptContext): readonly ScriptStep[] {
  const title = context.title ?? "Untitled";
  const path = `notes/${toSlug(title)}.md`;
  const content = `# ${title}\n\nDone by the scripted agent. Prompt ${fingerprint(context.prompt)}, attempt ${context.attemptNumber}.\n`;
  const text = (value: string): { text: string; chunkCount: undefined; chunkMs: undefined } => ({
    text: value,
    chunkCount: undefined,
    chunkMs: undefined,
  });
  return [
    { type: "think", value: text(`The task is "${title}". A note is enough.`) },
    { type: "say", value: text(`I will write ${path}.`) },
    { type: "write", value: { path, content, encoding: "utf8" } },
    {
      type: "usage",
      value: {
        inputTokens: Math.ceil(context.prompt.length / 4),
        outputTokens: Math.ceil(content.length / 4),
        cacheReadTokens: 0,
        cacheWriteTokens: 0,
      },
    },
    { type: "say", value: text(`Wrote ${path}.`) },
  ];
}
