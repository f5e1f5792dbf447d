import type { Task } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import { findSession } from "../commands/session.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";
import { uploadImages } from "../images/upload-images.ts";
import { sanitizeLine } from "../output/format.ts";
import { printJson, printText } from "../output/print.ts";
import { taskToJson } from "../output/task-view.ts";

/** What a fork is made with. */
export interface ForkOptions {
  readonly prompt?: string;
  readonly agent?: string;
  readonly model?: string;
  readonly image?: string[];
  readonly json?: boolean;
}

/** Makes a task that begins with a session's conversation. Throws `usage.invalid` when nothing is asked of it. */
export async function forkSession(
  reference: string,
  words: readonly string[],
  options: ForkOptions,
): Promise<void> {
  const { prompt, agent, model } = options;
  if (prompt === undefined && words.length === 0) {
    throw new CanopyError("usage.invalid", "what is the fork to do?", {
      hint: "give a title, or --prompt TEXT, or both",
    });
  }
  const api = await openProjectApi();
  const { sessionId } = await findSession(api, reference);
  const images = await uploadImages(api, options.image ?? []);
  const body = {
    ...(words.length === 0 ? {} : { title: words.join(" ") }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(agent === undefined ? {} : { agent }),
    ...(model === undefined ? {} : { model }),
    ...(images.length === 0 ? {} : { images }),
  };
  const task = readField<Task>(await api.ask("POST", `/sessions/${sessionId}/fork`, body), "task");
  if (options.json === true) return printJson(taskToJson(task));
  printText(`added #${task.number} ${task.taskId}  ${sanitizeLine(task.title)}`);
  printText(
    `it begins with the conversation of ${sessionId}; a run takes it up: canopy run --task ${task.number}`,
  );
}
