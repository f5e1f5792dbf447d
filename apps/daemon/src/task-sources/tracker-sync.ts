import { randomUUID } from "node:crypto";
import type { EventEnvelope, Hold, Json, Task } from "@canopy/protocol";
import { MAX_TITLE_CHARS, SYSTEM_ACTOR } from "@canopy/protocol";
import type { LinkedCommand } from "@canopy/core";
import { pumpLink, selectDependenciesOf, selectTask, selectTasks } from "@canopy/core";
import type { ClaimOutcome, RunnerLog, SourceTask, TaskSource } from "@canopy/runner";
import type { HostedRoom } from "../rooms/hosted-room.ts";

/** What a sync needs. */
export interface TrackerSyncOptions {
  readonly source: TaskSource;
  readonly room: HostedRoom;
  readonly log: RunnerLog;
}

const PULL_EVERY_MS = 30_000;
const PUSH_RETRY_MS = 5000;

/** What a tracker is told because of one event. */
type TrackerAction =
  | { readonly type: "complete"; readonly id: string; readonly reason: string }
  | { readonly type: "fail"; readonly id: string; readonly why: string; readonly isPermanent: boolean }
  | { readonly type: "needs-input"; readonly id: string; readonly why: string };

/**
 * Keeps a project's tasks and a tracker's in step: its open tasks are taken over under `NAME:ID`, a task is claimed there
 * before an agent starts, and what became of it is told there. The tracker stays the truth about what there is to do.
 */
export class TrackerSync implements AsyncDisposable {
  readonly #options: TrackerSyncOptions;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pulling: Promise<void> | null = null;
  #pushing: Promise<void> | null = null;
  #pushAgain = false;
  readonly #unsubscribe: () => void;

  constructor(options: TrackerSyncOptions) {
    this.#options = options;
    this.#unsubscribe = options.room.subscribe({ events: () => this.#push() });
    this.#timer = setInterval(() => {
      this.pull().catch((error: unknown) => options.log.warn({ error }, "the tracker could not be read"));
    }, PULL_EVERY_MS);
    this.#push();
  }

  /** Takes over what the tracker has. Throws `task-source.failed`. */
  async pull(): Promise<void> {
    this.#pulling ??= this.#pullOnce().finally(() => {
      this.#pulling = null;
    });
    await this.#pulling;
  }

  /** Claims a task in the tracker, so that nobody else takes it; tasks that are not the tracker's are always granted. */
  async claim(taskId: string, holder: string): Promise<ClaimOutcome> {
    const task = this.#options.room.read((sql) => selectTask(sql, taskId));
    const id = task === undefined ? null : this.#trackerId(task);
    if (id === null) return { type: "claimed" };
    return await this.#options.source.claim(id, holder, this.#controller.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe();
    await this.#pushing;
    this.#controller.abort();
    await this.#pulling?.catch(() => undefined);
  }

  #trackerId(task: Task): string | null {
    const prefix = `${this.#options.source.name}:`;
    const reference = task.externalReference;
    return reference?.startsWith(prefix) === true ? reference.slice(prefix.length) : null;
  }

  #submit(command: object): void {
    const answer = this.#options.room.submit({
      key: `tracker:${randomUUID()}`,
      actor: SYSTEM_ACTOR,
      command,
    });
    if (answer.type === "rejection")
      this.#options.log.warn({ code: answer.code, command }, "a tracker's task was refused");
  }

  async #pullOnce(): Promise<void> {
    const listed = await this.#options.source.list(this.#controller.signal);
    if (listed.length > 0) {
      const known = new Set(listed.map((task) => task.id));
      this.#submit({ type: "task.import", tasks: listed.map((task) => this.#toNewTask(task, known)) });
    }
    const byId = new Map(listed.map((task) => [task.id, task]));
    for (const task of this.#options.room.read((sql) => selectTasks(sql))) {
      const id = this.#trackerId(task);
      if (id !== null && task.claim === null && task.status !== "closed") this.#follow(task, byId.get(id));
    }
  }

  #toNewTask(task: SourceTask, known: ReadonlySet<string>): Json {
    const prefix = `${this.#options.source.name}:`;
    return {
      title: task.title.trim() === "" ? task.id : task.title.trim().slice(0, MAX_TITLE_CHARS),
      description: [task.description, task.notes].filter((text) => text.trim() !== "").join("\n\n"),
      taskType: /^[a-z][a-z0-9-]{0,39}$/.test(task.type) ? task.type : "task",
      priority: Math.min(4, Math.max(0, Math.trunc(task.priority))),
      labels: task.labels.filter((label) => /^[^,\p{Cc}]{1,80}$/u.test(label)),
      assignee: task.assignee,
      timeoutMs: task.timeoutMs,
      externalReference: `${prefix}${task.id}`,
      // A dependency that the tracker does not list is closed there, and so holds nothing back.
      dependencies: task.dependencies
        .filter((dependency) => known.has(dependency.id))
        .map((dependency) => ({ on: `${prefix}${dependency.id}`, kind: dependency.kind })),
    };
  }

  /** Brings one unclaimed task into the state that the tracker has it in. */
  #follow(task: Task, listed: SourceTask | undefined): void {
    if (listed === undefined) {
      this.#submit({
        type: "task.close",
        task: task.taskId,
        reason: `closed in ${this.#options.source.name}`,
      });
      return;
    }
    const wanted =
      listed.state === "open" ? "open" : listed.state === "needs-input" ? "needs_input" : "deferred";
    // What waits for a person here (a conflict, say) is not reopened by a tracker that does not know of it.
    const isOurs = task.status === "needs_input" && wanted === "open";
    if (task.status !== wanted && !isOurs) {
      this.#submit({ type: "task.update", task: task.taskId, patch: { status: wanted } });
    }
    const prefix = `${this.#options.source.name}:`;
    const references = new Set(listed.dependencies.map((dependency) => `${prefix}${dependency.id}`));
    for (const dependency of this.#options.room.read((sql) => selectDependenciesOf(sql, task.taskId))) {
      const target = this.#options.room.read((sql) => selectTask(sql, dependency.dependsOnId));
      const reference = target?.externalReference;
      if (reference?.startsWith(prefix) === true && !references.has(reference)) {
        this.#submit({ type: "dependency.remove", task: task.taskId, on: dependency.dependsOnId });
      }
    }
  }

  #push(): void {
    if (this.#pushing !== null) {
      this.#pushAgain = true;
      return;
    }
    this.#pushing = this.#pushAll().finally(() => {
      this.#pushing = null;
    });
  }

  async #pushAll(): Promise<void> {
    const { room, log, source } = this.#options;
    const link = { name: `tracker:${source.name}`, select: (event: EventEnvelope) => this.#select(event) };
    do {
      this.#pushAgain = false;
      try {
        await pumpLink(link, {
          readCursor: (name) => room.readLinkCursor(name),
          writeCursor: (name, seq) => room.writeLinkCursor(name, seq),
          eventsAfter: (seq, limit) => room.eventsAfter(seq, limit),
          deliver: async (linked) => await this.#tell(linked.command as TrackerAction),
        });
      } catch (error) {
        if (this.#controller.signal.aborted) return;
        log.warn({ error }, "the tracker could not be told; trying again");
        await new Promise((resolve) => setTimeout(resolve, PUSH_RETRY_MS));
        this.#pushAgain = !this.#controller.signal.aborted;
      }
    } while (this.#pushAgain);
  }

  #select(event: EventEnvelope): LinkedCommand | null {
    const action = this.#actionFor(event);
    if (action === null) return null;
    return { room: "", key: `tracker:${event.seq}`, actor: SYSTEM_ACTOR, command: action };
  }

  #actionFor(event: EventEnvelope): TrackerAction | null {
    if (event.type === "task.closed") {
      const { task } = event.payload as unknown as { readonly task: Task };
      const id = this.#trackerId(task);
      const isTheirs = task.closeReason?.startsWith("closed in ") === true;
      return id === null || isTheirs ? null : { type: "complete", id, reason: task.closeReason ?? "" };
    }
    if (event.type === "hold.placed") {
      const { hold } = event.payload as unknown as { readonly hold: Hold };
      const task = this.#options.room.read((sql) => selectTask(sql, hold.taskId));
      const id = task === undefined ? null : this.#trackerId(task);
      if (id === null || hold.cause === "claimed-elsewhere") return null;
      return {
        type: "fail",
        id,
        why: `${hold.cause}: ${hold.message}`,
        isPermanent: hold.untilMs === null && hold.cause !== "killed",
      };
    }
    if (event.type !== "task.released") return null;
    const { task } = event.payload as unknown as { readonly task: Task };
    const id = this.#trackerId(task);
    return id === null || task.status !== "needs_input"
      ? null
      : { type: "needs-input", id, why: "its change needs a person" };
  }

  async #tell(action: TrackerAction): Promise<void> {
    const { source } = this.#options;
    const { signal } = this.#controller;
    if (action.type === "complete") await source.complete(action.id, action.reason, signal);
    else if (action.type === "fail")
      await source.fail(action.id, action.why, { isPermanent: action.isPermanent }, signal);
    else await source.needsInput(action.id, action.why, signal);
  }
}
