import type { Json, Run } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol/errors";
import { ensureDaemon } from "../connection/ensure-daemon.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { readField } from "../connection/project-api.ts";
import { streamEvents } from "../connection/stream-events.ts";
import type { ProgressDisplay } from "./progress-display.ts";
import type { RunState } from "./run-state.ts";

/** What following a run needs. */
export interface FollowOptions {
  readonly api: ProjectApi;
  readonly state: RunState;
  readonly display: ProgressDisplay;
  /** Starts the run once the stream is open, so that nothing of it is missed. */
  readonly start: () => Promise<Run>;
}

const OPEN_WARNING =
  'WARNING: agents run without any sandbox ([sandbox] level = "none"): with your files, your keys, your network';
const RECONNECT_MS = 200;
const MAX_FAILURES = 50;
const MAX_START_FAILURES = 3;

function isOver(run: Run | null): boolean {
  return run !== null && (run.state === "completed" || run.state === "cancelled");
}

/**
 * Starts a run and follows it to its end. When the daemon dies on the way it is started again and the run goes on: the
 * stream is resumed from the last event that was seen.
 */
export async function followRun(options: FollowOptions): Promise<Run> {
  const { api, state } = options;
  let runId: string | null = null;
  for (let failures = 0; ; failures += 1) {
    try {
      if (failures > 0) await ensureDaemon(api.paths);
      const over = await followOnce(options, runId, (started) => {
        runId = started;
        failures = 0;
      });
      if (over !== null) return over;
    } catch (error) {
      const isLost = isCanopyError(error) && error.code === "daemon.unavailable";
      if (!isLost || failures >= (runId === null ? MAX_START_FAILURES : MAX_FAILURES)) throw error;
    }
    if (isOver(state.run) && state.run !== null) return state.run;
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

async function followOnce(
  options: FollowOptions,
  knownRunId: string | null,
  onStarted: (runId: string) => void,
): Promise<Run | null> {
  const { api, state, display, start } = options;
  const controller = new AbortController();
  let runId = knownRunId;
  const after = runId === null ? "" : `&after=${state.seq}`;
  const path = `/projects/${api.project.projectId}/events/stream?live=true${after}`;
  const stream = streamEvents({ socketPath: api.paths.socketPath, path, signal: controller.signal });
  try {
    for await (const message of stream) {
      if (message.type === "snapshot") {
        state.load(message.data, runId);
        if (runId === null) {
          state.run = await start();
          runId = state.run.runId;
          onStarted(runId);
        }
      } else if (message.type === "event") {
        onStarted(runId ?? "");
        const wasOpen = state.levels.has("none");
        const step = state.apply(message.data, runId);
        if (!wasOpen && state.levels.has("none")) display.note(OPEN_WARNING);
        if (step !== null) display.step(step);
      } else if (message.type === "activity") {
        const activity = readField<{ attemptId: string; text: string }>(message.data, "activity");
        state.activity.set(activity.attemptId, activity.text);
      }
      display.refresh();
      if (isOver(state.run) && state.run !== null) return state.run;
    }
  } finally {
    controller.abort();
  }
  return null;
}

/** Asks a run to stop. */
export async function stopRun(api: ProjectApi, runId: string, mode: "drain" | "now"): Promise<Json> {
  return (await api.ask("POST", `/runs/${runId}/stop`, { mode })) as Json;
}
