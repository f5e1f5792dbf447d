import { appendFile, chmod, lstat, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { sendUpdate } from "./stage.ts";
import type { Player, Stage } from "./stage.ts";
import { RpcError } from "./agent-connection.ts";

/** Larger texts are not sent as diffs. */
const MAX_DIFF_CHARS = 100_000;

type FileStep = "write" | "append" | "replace" | "delete" | "rename" | "mkdir" | "symlink" | "chmod";

interface FileChange {
  readonly kind: "edit" | "delete" | "move";
  readonly title: string;
  /** As in the script, relative to the session's directory. */
  readonly path: string;
  readonly run: () => Promise<void>;
}

async function readText(file: string): Promise<string | null> {
  try {
    const text = await readFile(file, "utf8");
    return text.length <= MAX_DIFF_CHARS && !text.includes("\0") ? text : null;
  } catch {
    return null;
  }
}

/** Makes a change as a tool call with the file's text before and after. A failed change fails the turn. */
async function playChange(stage: Stage, change: FileChange): Promise<null> {
  const toolCallId = stage.nextToolId();
  const file = path.resolve(stage.cwd, change.path);
  const call = { toolCallId, kind: change.kind, title: change.title, locations: [{ path: file }] };
  await sendUpdate(stage, {
    sessionUpdate: "tool_call",
    ...call,
    status: "in_progress",
    rawInput: { path: change.path },
  });
  const oldText = await readText(file);
  try {
    await change.run();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const content = [{ type: "content", content: { type: "text", text } }];
    await sendUpdate(stage, { sessionUpdate: "tool_call_update", toolCallId, status: "failed", content });
    throw new RpcError(-32_603, `${change.title}: ${text}`);
  }
  const newText = await readText(file);
  const content =
    oldText === newText || newText === null ? [] : [{ type: "diff", path: file, oldText, newText }];
  await sendUpdate(stage, { sessionUpdate: "tool_call_update", toolCallId, status: "completed", content });
  return null;
}

async function prepareFolder(file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
}

async function replaceIn(file: string, find: string, replacement: string): Promise<void> {
  const before = await readFile(file, "utf8");
  if (!before.includes(find)) throw new Error(`${file} does not contain ${JSON.stringify(find)}`);
  await writeFile(
    file,
    before.replaceAll(find, () => replacement),
  );
}

/** The steps that change files. */
export const FILE_PLAYERS: { readonly [K in FileStep]: Player<K> } = {
  write: (stage, value) => {
    const file = path.resolve(stage.cwd, value.path);
    const run = async (): Promise<void> => {
      await prepareFolder(file);
      await writeFile(file, value.content, value.encoding);
    };
    return playChange(stage, { kind: "edit", title: `Write ${value.path}`, path: value.path, run });
  },
  append: (stage, value) => {
    const file = path.resolve(stage.cwd, value.path);
    const run = async (): Promise<void> => {
      await prepareFolder(file);
      await appendFile(file, value.content);
    };
    return playChange(stage, { kind: "edit", title: `Append to ${value.path}`, path: value.path, run });
  },
  replace: (stage, value) => {
    const run = (): Promise<void> => replaceIn(path.resolve(stage.cwd, value.path), value.find, value.with);
    return playChange(stage, { kind: "edit", title: `Edit ${value.path}`, path: value.path, run });
  },
  delete: (stage, value) => {
    const file = path.resolve(stage.cwd, value.path);
    const run = async (): Promise<void> => {
      await lstat(file);
      await rm(file, { recursive: true });
    };
    return playChange(stage, { kind: "delete", title: `Delete ${value.path}`, path: value.path, run });
  },
  rename: (stage, value) => {
    const target = path.resolve(stage.cwd, value.to);
    const run = async (): Promise<void> => {
      await prepareFolder(target);
      await rename(path.resolve(stage.cwd, value.from), target);
    };
    return playChange(stage, {
      kind: "move",
      title: `Rename ${value.from} to ${value.to}`,
      path: value.to,
      run,
    });
  },
  mkdir: (stage, value) => {
    const run = async (): Promise<void> => {
      await mkdir(path.resolve(stage.cwd, value.path), { recursive: true });
    };
    return playChange(stage, { kind: "edit", title: `Make folder ${value.path}`, path: value.path, run });
  },
  symlink: (stage, value) => {
    const file = path.resolve(stage.cwd, value.path);
    const run = async (): Promise<void> => {
      await prepareFolder(file);
      await symlink(value.target, file);
    };
    return playChange(stage, {
      kind: "edit",
      title: `Link ${value.path} to ${value.target}`,
      path: value.path,
      run,
    });
  },
  chmod: (stage, value) => {
    const run = (): Promise<void> =>
      chmod(path.resolve(stage.cwd, value.path), Number.parseInt(value.mode, 8));
    return playChange(stage, {
      kind: "edit",
      title: `Set mode ${value.mode} on ${value.path}`,
      path: value.path,
      run,
    });
  },
};
