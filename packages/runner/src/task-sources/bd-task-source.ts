import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { CanopyError } from "@canopy/protocol";
import { parseBdError, parseBdOutput, parseCreatedId } from "./parse-bd-output.ts";
import type { BdOutput } from "./parse-bd-output.ts";
import { bdFailure, isUnknownFlag, runBd } from "./run-bd.ts";
import type { BdOptions, BdResult } from "./run-bd.ts";
import type { ClaimOutcome, NewSourceTask, SourceDependency, SourceTask, TaskSource } from "./task-source.ts";

/** Trackers show 10 or 50 tasks unless told otherwise. */
const LIMIT = "100000";
const MAX_PAGES = 1_000;
/** Longer texts do not go through an argument: Linux takes 128 KiB at most. */
const MAX_ARGUMENT_CHARS = 30_000;
const WAITING_LABEL = /^needs-/;
const ID = /^[A-Za-z0-9][\w.-]*$/;

function checkId(id: string): string {
  if (ID.test(id)) return id;
  throw new CanopyError("request.invalid", `${JSON.stringify(id)} is not a task id`);
}

function cutText(text: string): string {
  const clean = text.replaceAll("\0", "");
  return clean.length <= MAX_ARGUMENT_CHARS
    ? clean
    : `${clean.slice(0, MAX_ARGUMENT_CHARS)}\n[cut by canopy]`;
}

/** Words that begin with a dash would be read as a flag. */
function positional(text: string): string[] {
  return text.startsWith("-") ? ["--", text] : [text];
}

/** Since 2026 `blocks:ID` makes ID wait for the new task; an id alone has always been what the new task waits for. */
function spellDependency({ kind, id }: SourceDependency): string {
  return kind === "blocks" ? id : `${kind}:${id}`;
}

function isNotFound(result: BdResult): boolean {
  const { message, code } = parseBdError(result.stderr, result.stdout);
  return code === null
    ? /not found|no such issue|no issue found|does not exist/i.test(message)
    : /not.?found/i.test(code);
}

/** Tasks of a `bd`-compatible program: beads, beads_rust, or anything that prints what they print. */
class BdTaskSource implements TaskSource {
  readonly name: string;
  readonly #options: BdOptions;
  readonly #program: string;
  readonly #onWarning: (text: string) => void;
  #lastCall: Promise<unknown> = Promise.resolve();

  constructor(options: BdOptions, onWarning: (text: string) => void) {
    this.#options = options;
    this.#program = options.program ?? "bd";
    this.name = path.basename(this.#program);
    this.#onWarning = onWarning;
  }

  async list(signal: AbortSignal): Promise<SourceTask[]> {
    const tasks = await this.#readPages(["list", "--json"], signal);
    return tasks.filter((task) => task.state !== "closed");
  }

  async ready(signal: AbortSignal): Promise<SourceTask[]> {
    const tasks = await this.#readPages(["ready", "--json"], signal);
    return tasks.filter(
      (task) => task.state === "open" && !task.labels.some((label) => WAITING_LABEL.test(label)),
    );
  }

  async show(id: string, signal: AbortSignal): Promise<SourceTask | null> {
    const args = ["show", checkId(id), "--json"];
    const result = await this.#call(args, signal);
    if (result.exitCode !== 0 && isNotFound(result)) return null;
    const { tasks } = this.#read(args, result);
    return tasks.find((task) => task.id === id) ?? tasks[0] ?? null;
  }

  async claim(id: string, holder: string, signal: AbortSignal): Promise<ClaimOutcome> {
    const actor = { BD_ACTOR: holder, BEADS_ACTOR: holder };
    const args = ["update", checkId(id), "--claim"];
    const result = await this.#call(args, signal, actor);
    if (result.exitCode === 0) return { type: "claimed" };
    const task = await this.show(id, signal);
    if (task === null) throw bdFailure(this.#program, args, result);
    const isFree = task.state !== "in_progress" && task.state !== "closed";
    if (!isFree && task.assignee === holder && task.state !== "closed") return { type: "claimed" };
    if (!isFree) return { type: "taken", by: task.assignee };
    if (!isUnknownFlag(result)) {
      if (task.assignee !== null && task.assignee !== holder) return { type: "taken", by: task.assignee };
      throw bdFailure(this.#program, args, result);
    }
    // An older program: not atomic, but the only way it has.
    await this.#change(["update", id, "--status", "in_progress", "--assignee", holder], signal, actor);
    return { type: "claimed" };
  }

  async complete(id: string, reason: string, signal: AbortSignal): Promise<void> {
    const args = ["close", checkId(id), "--reason", cutText(reason)];
    const result = await this.#call(args, signal);
    if (result.exitCode === 0) return;
    if (!isUnknownFlag(result)) throw bdFailure(this.#program, args, result);
    await this.#change(["close", id], signal);
  }

  async fail(
    id: string,
    why: string,
    options: { readonly isPermanent: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    checkId(id);
    if (options.isPermanent) {
      await this.#mark(id, "needs-investigation", `FAILED PERMANENTLY: ${why}`, signal);
      return;
    }
    const reason = cutText(`FAILED: ${why}`);
    const result = await this.#call(["reopen", id, "--reason", reason], signal);
    if (result.exitCode !== 0) {
      await this.#change(["update", id, "--status", "open"], signal);
      await this.comment(id, reason, signal);
    }
    await this.#release(id, signal);
  }

  async needsInput(id: string, why: string, signal: AbortSignal): Promise<void> {
    const note = await this.#extendNotes(checkId(id), `NEEDS_INPUT: ${why}`, signal);
    const result = await this.#call(["update", id, "--status", "needs-input", "--notes", note], signal);
    // Not a built-in status: trackers take it only when it was configured.
    if (result.exitCode !== 0) await this.#mark(id, "needs-input", `NEEDS_INPUT: ${why}`, signal);
  }

  async comment(id: string, text: string, signal: AbortSignal): Promise<void> {
    const words = positional(cutText(text));
    const args = ["comments", "add", checkId(id), ...words];
    const result = await this.#call(args, signal);
    if (result.exitCode === 0) return;
    if (!isUnknownFlag(result)) throw bdFailure(this.#program, args, result);
    await this.#change(["comment", id, ...words], signal);
  }

  async create(task: NewSourceTask, signal: AbortSignal): Promise<string> {
    const { description = "", labels = [], dependencies = [] } = task;
    const flags = [
      ...(task.priority === undefined ? [] : ["-p", String(task.priority)]),
      ...(task.type === undefined ? [] : ["--type", task.type]),
      ...(labels.length === 0 ? [] : ["--labels", labels.join(",")]),
      ...(dependencies.length === 0
        ? []
        : ["--deps", dependencies.map((dependency) => spellDependency(dependency)).join(",")]),
      ...(task.externalReference === undefined ? [] : ["--external-ref", task.externalReference]),
    ];
    const title = positional(cutText(task.title));
    if (description.length <= MAX_ARGUMENT_CHARS) {
      const body = description === "" ? [] : ["-d", description.replaceAll("\0", "")];
      return this.#createWith(["create", "--json", ...flags, ...body, ...title], signal);
    }
    const folder = await mkdtemp(path.join(tmpdir(), "canopy-task-"));
    try {
      const file = path.join(folder, "description.md");
      await writeFile(file, description, { mode: 0o600 });
      return await this.#createWith(["create", "--json", ...flags, "--body-file", file, ...title], signal);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #createWith(args: readonly string[], signal: AbortSignal): Promise<string> {
    const result = await this.#change(args, signal);
    const id = parseCreatedId(result.stdout);
    if (id !== null) return id;
    throw new CanopyError("task-source.failed", `${this.#program} create did not print the new task's id`, {
      data: { output: result.stdout.slice(0, 500) },
    });
  }

  /** Puts a task aside with a label and a note that keeps the notes it had. */
  async #mark(id: string, label: string, text: string, signal: AbortSignal): Promise<void> {
    const notes = await this.#extendNotes(id, text, signal);
    const update = ["update", id, "--status", "open", "--notes", notes];
    const result = await this.#call([...update, "--add-label", label], signal);
    if (result.exitCode !== 0) {
      if (!isUnknownFlag(result)) throw bdFailure(this.#program, update, result);
      await this.#change(update, signal);
      await this.#change(["label", "add", id, label], signal);
    }
    await this.#release(id, signal);
  }

  async #extendNotes(id: string, text: string, signal: AbortSignal): Promise<string> {
    const notes = (await this.show(id, signal))?.notes ?? "";
    if (notes.endsWith(text)) return cutText(notes);
    return cutText(notes === "" ? text : `${notes}\n${text}`);
  }

  /** Takes the holder off: newer trackers call only unassigned tasks ready. */
  async #release(id: string, signal: AbortSignal): Promise<void> {
    const task = await this.show(id, signal);
    if (task !== null && task.assignee !== null) await this.#change(["update", id, "--assignee", ""], signal);
  }

  async #readPages(args: readonly string[], signal: AbortSignal): Promise<SourceTask[]> {
    const tasks = new Map<string, SourceTask>();
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const offset = page === 0 ? [] : ["--offset", String(tasks.size)];
      const call = [...args, "--limit", LIMIT, ...offset];
      const { output, isLimited } = await this.#readPage(call, args, signal);
      const before = tasks.size;
      for (const task of output.tasks) tasks.set(task.id, task);
      if (!output.hasMore || !isLimited || tasks.size === before) break;
    }
    return [...tasks.values()];
  }

  async #readPage(
    call: readonly string[],
    plainCall: readonly string[],
    signal: AbortSignal,
  ): Promise<{ output: BdOutput; isLimited: boolean }> {
    const result = await this.#call(call, signal);
    if (!isUnknownFlag(result)) return { output: this.#read(call, result), isLimited: true };
    this.#onWarning(`${this.#program} takes no --limit: it may show only its first tasks`);
    return { output: this.#read(plainCall, await this.#call(plainCall, signal)), isLimited: false };
  }

  #read(args: readonly string[], result: BdResult): BdOutput {
    if (result.exitCode !== 0) throw bdFailure(this.#program, args, result);
    const output = parseBdOutput(result.stdout);
    if (output === null) {
      throw new CanopyError("task-source.failed", `${this.#program} ${args.join(" ")} printed no JSON`, {
        hint: "Update it: some releases forget --json.",
        data: { output: result.stdout.slice(0, 500) },
      });
    }
    if (output.unreadableCount > 0) {
      this.#onWarning(
        `${this.#program} ${args.join(" ")}: ${output.unreadableCount} entries without an id are left out`,
      );
    }
    return output;
  }

  async #change(
    args: readonly string[],
    signal: AbortSignal,
    extraEnv: Readonly<Record<string, string>> = {},
  ): Promise<BdResult> {
    const result = await this.#call(args, signal, extraEnv);
    if (result.exitCode !== 0) throw bdFailure(this.#program, args, result);
    return result;
  }

  /** One call at a time: parallel ones have corrupted trackers' databases. */
  #call(
    args: readonly string[],
    signal: AbortSignal,
    extraEnv: Readonly<Record<string, string>> = {},
  ): Promise<BdResult> {
    const run = this.#lastCall.then(() => {
      if (signal.aborted)
        throw new CanopyError("cancelled", `${this.#program} ${args[0] ?? ""} was cancelled`);
      return runBd(this.#options, args, extraEnv, signal);
    });
    this.#lastCall = run.catch(() => null);
    return run;
  }
}

/** A task source on a `bd`-compatible program. `onWarning` hears of oddities that did not stop a call. */
export function createBdTaskSource(options: BdOptions, onWarning: (text: string) => void): TaskSource {
  return new BdTaskSource(options, onWarning);
}

/** The version line of the program; null when it cannot be run. */
export async function probeBd(options: BdOptions, signal: AbortSignal): Promise<string | null> {
  try {
    const result = await runBd(options, ["--version"], {}, signal);
    return result.exitCode === 0 ? result.stdout.trim() : null;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}
