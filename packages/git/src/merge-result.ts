import { splitNul } from "./run-git.ts";

/** Why a path could not be merged. */
export type ConflictKind =
  | "content"
  | "add/add"
  | "modify/delete"
  | "rename/delete"
  | "rename/rename"
  | "file/directory"
  | "mode"
  | "binary"
  | "submodule"
  | "other";

/** One side of a conflicted path: stage 1 is the common base, 2 the tip, 3 the change. */
export interface ConflictStage {
  readonly stage: number;
  readonly mode: string;
  readonly objectId: string;
}

/** A path that two changes cannot both have. */
export interface ConflictedFile {
  readonly path: string;
  readonly kind: ConflictKind;
  readonly stages: readonly ConflictStage[];
  /** Other paths of the same conflict: where it was renamed from or to, the folder in its way, its other half. */
  readonly relatedPaths?: readonly string[];
  /** The path that it was renamed from on one side, where git tells. */
  readonly renamedFrom?: string;
}

/** The outcome of a merge. A conflicted one carries the tree with conflict markers, for whoever resolves it. */
export type MergeResult =
  | { readonly state: "clean"; readonly tree: string }
  | {
      readonly state: "conflicted";
      readonly tree: string;
      readonly files: readonly ConflictedFile[];
      readonly messages: readonly string[];
    };

interface Message {
  readonly paths: readonly string[];
  readonly type: string;
  readonly text: string;
}

// The short type of a message is documented as stable, its text is not.
const KIND_BY_TYPE: Readonly<Record<string, ConflictKind>> = {
  "CONFLICT (contents)": "content",
  "CONFLICT (binary)": "binary",
  "CONFLICT (file/directory)": "file/directory",
  "CONFLICT (distinct modes)": "mode",
  "CONFLICT (distinct types)": "mode",
  "CONFLICT (modify/delete)": "modify/delete",
  "CONFLICT (rename/delete)": "rename/delete",
  "CONFLICT (rename/rename)": "rename/rename",
  "CONFLICT (rename involved in collision)": "add/add",
  "CONFLICT (submodule)": "submodule",
};

function parseMessages(fields: readonly string[]): Message[] {
  const messages: Message[] = [];
  let at = 0;
  while (at < fields.length) {
    const count = Number(fields[at]);
    if (!Number.isInteger(count)) break;
    const paths = fields.slice(at + 1, at + 1 + count);
    messages.push({ paths, type: fields[at + 1 + count] ?? "", text: (fields[at + 2 + count] ?? "").trim() });
    at += count + 3;
  }
  return messages;
}

function kindOf(path: string, stages: readonly ConflictStage[], messages: readonly Message[]): ConflictKind {
  const types = messages.filter((message) => message.paths.includes(path)).map((message) => message.type);
  const kinds = types.map((type) => KIND_BY_TYPE[type]).filter((kind) => kind !== undefined);
  const specific = kinds.find((kind) => kind !== "content") ?? kinds[0];
  if (specific === undefined) return types.some((type) => type.includes("submodule")) ? "submodule" : "other";
  if (specific !== "content") return specific;
  return stages.some((stage) => stage.stage === 1) ? "content" : "add/add";
}

/** The paths of a message, in the order of git's sources. */
function renamedFrom(path: string, { type, paths }: Message): string | undefined {
  const [first, second, third] = paths;
  // "rename/delete": new, old. "rename/rename" of one file: old, ours, theirs.
  if (type === "CONFLICT (rename/delete)" && path === first) return second;
  if (type === "CONFLICT (rename/rename)" && (path === second || path === third)) return first;
  return undefined;
}

type Relations = Pick<ConflictedFile, "relatedPaths" | "renamedFrom">;

function relationsOf(path: string, messages: readonly Message[]): Relations {
  const own = messages.filter(
    (message) => message.type.startsWith("CONFLICT") && message.paths.includes(path),
  );
  const related = [...new Set(own.flatMap((message) => message.paths))].filter((other) => other !== path);
  const from = own.map((message) => renamedFrom(path, message)).find((found) => found !== undefined);
  return {
    ...(related.length === 0 ? {} : { relatedPaths: related }),
    ...(from === undefined ? {} : { renamedFrom: from }),
  };
}

function parseStages(fields: readonly string[]): Map<string, ConflictStage[]> {
  const byPath = new Map<string, ConflictStage[]>();
  for (const field of fields) {
    const tab = field.indexOf("\t");
    const [mode = "", objectId = "", stage = "0"] = field.slice(0, tab).split(" ");
    const path = field.slice(tab + 1);
    const stages = byPath.get(path) ?? [];
    stages.push({ stage: Number(stage), mode, objectId });
    byPath.set(path, stages);
  }
  return byPath;
}

/** Reads the output of `git merge-tree --write-tree -z --messages`. */
export function parseMergeTreeOutput(output: Buffer, isClean: boolean): MergeResult {
  const [tree = "", ...fields] = splitNul(output);
  if (isClean) return { state: "clean", tree };
  const blank = fields.indexOf("");
  const messages = parseMessages(blank < 0 ? [] : fields.slice(blank + 1));
  const stages = parseStages(blank < 0 ? fields : fields.slice(0, blank));
  return {
    state: "conflicted",
    tree,
    files: [...stages].map(([path, list]) =>
      Object.assign({ path, kind: kindOf(path, list, messages), stages: list }, relationsOf(path, messages)),
    ),
    messages: messages
      .filter((message) => message.type.startsWith("CONFLICT"))
      .map((message) => message.text),
  };
}
