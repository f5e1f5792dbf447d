import type { Attempt, Change } from "@canopy/protocol";
import type { ListedTask } from "./import-scripts.ts";
import type { TestHome } from "./open-test-home.ts";

/** A task as `canopy task show --json` prints it, as far as tests of the queue need it. */
export interface QueueTask extends ListedTask {
  readonly attempts: readonly Attempt[];
  readonly changes: readonly Change[];
  readonly comments: readonly { readonly text: string }[];
}

const COMMAND = [
  'cat > "$TMPDIR/prompt"',
  'case ",$CANOPY_TASK_LABELS," in',
  "*,canopy-hand-back,*) STAGE=hand-back ;; *,canopy-resolver,*) STAGE=resolver ;;",
  "*,canopy-repair,*) STAGE=repair ;; *) STAGE=work ;; esac",
  "export STAGE",
  'sh -eu -c "$CANOPY_TASK_DESCRIPTION"',
].join("\n");

/**
 * The table of an agent under some name: it keeps its prompt in `$TMPDIR/prompt` and runs its task's description as a
 * shell script, with `STAGE` (work, hand-back, resolver or repair) telling what it was asked for, and `WHO` its name.
 */
export function ladderAgent(name: string): string {
  const command = `export WHO=${name}\n${COMMAND}`;
  return `[agents.${name}]\ndriver = "command"\ncommand = ${JSON.stringify(command)}\n`;
}

/** A shell script that does something else at each stage; a stage that is left out does nothing. */
export function stages(scripts: Readonly<Record<string, string>>): string {
  const cases = Object.entries(scripts).map(([stage, script]) => `${stage})\n${script}\n;;`);
  return `case "$STAGE" in\n${cases.join("\n")}\nesac`;
}

/** A shell command that keeps the lines of both sides of the conflicts in a file. */
export function keepBoth(path: string): string {
  return `sed -i -e '/^||||||| /,/^=======$/d' -e '/^<<<<<<< /d' -e '/^=======$/d' -e '/^>>>>>>> /d' '${path}'`;
}

/** What `canopy task show` tells of a task. */
export async function showTask(home: TestHome, cwd: string, taskId: string): Promise<QueueTask> {
  return await home.ask<QueueTask>(["task", "show", taskId], { cwd });
}

/** The rungs that helped a stuck change or did not: `hand-back failed`, `resolver worked`; clean merges are left out. */
export function rungsOf(change: Change | undefined): string[] {
  return (change?.ladder ?? [])
    .filter(({ rung }) => rung !== "identical" && rung !== "three-way")
    .map((step) => `${step.rung} ${step.outcome}`);
}
