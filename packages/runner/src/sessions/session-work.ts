import type { FinishNote, InquiryId, ProjectConfig, WorkspaceTools } from "@canopy/protocol";
import type { Workspace } from "@canopy/workspace";
import { runChecks } from "./run-checks.ts";

/** What a session's agent said of its own work through its tools, so far. */
export interface SessionWork {
  readonly tools: WorkspaceTools;
  /** The text of its commit, when it gave one. */
  readonly message: string | null;
  readonly note: FinishNote | null;
  /** The question of its that nobody had answered yet. */
  readonly parkedFor: InquiryId | null;
}

/** The part of an agent's tools that is carried out where its files are. Checks run one after another. */
export function createSessionWork(
  workspace: Pick<Workspace, "spawn" | "env">,
  config: ProjectConfig,
  signal: AbortSignal,
): SessionWork {
  let message: string | null = null;
  let note: FinishNote | null = null;
  let parkedFor: InquiryId | null = null;
  let last: Promise<unknown> = Promise.resolve();
  return {
    get message() {
      return message;
    },
    get note() {
      return note;
    },
    get parkedFor() {
      return parkedFor;
    },
    tools: {
      runChecks: (names) => {
        const checked = last
          .catch(() => undefined)
          .then(() => runChecks(workspace, config.validation, { names, signal }));
        last = checked;
        return checked;
      },
      submit: (text) => {
        message = text;
      },
      park: (inquiryId) => {
        parkedFor ??= inquiryId;
      },
      finish: (said) => {
        note = said;
      },
    },
  };
}
