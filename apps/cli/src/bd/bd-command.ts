import type { Command } from "commander";
import { Option } from "commander";
import { printNote, printText } from "../output/print.ts";
import type { BoardClient } from "./open-board.ts";
import { openBoard } from "./open-board.ts";
import { printBdJson } from "./print-bd.ts";

/** Options that every `bd` command takes, before or after its name. */
export interface BdOptions {
  readonly json?: boolean;
  readonly actor?: string;
  readonly db?: string;
  readonly quiet?: boolean;
}

/** What a `bd` command works with. */
export interface BdCall<O> {
  readonly args: readonly (string | readonly string[])[];
  readonly options: O & BdOptions;
  readonly setExit: (code: number) => void;
  /** Opens the board; once a command. */
  board(): Promise<BoardClient>;
  /** Prints JSON when it was asked for, else the text; nothing when told to be quiet. */
  show(value: unknown, text: () => string): void;
}

/** Flags of `bd` that say how it keeps its files: there are none here, so they change nothing. */
const IGNORED = [
  "--sandbox",
  "--allow-stale",
  "--no-daemon",
  "--no-auto-flush",
  "--no-auto-import",
  "--no-db",
  "--readonly",
];

/** Adds the options that every command takes. */
export function addCommonOptions(command: Command): Command {
  command
    .option("--json", "print JSON as bd does")
    .option("--actor <name>", "who acts (default: BD_ACTOR, the agent's session, the user)")
    .option("-q, --quiet", "print errors only")
    .addOption(new Option("--db <path>", "taken and ignored: Canopy keeps the issues").hideHelp())
    .addOption(new Option("--lock-timeout <duration>").hideHelp());
  for (const flag of IGNORED) command.addOption(new Option(flag).hideHelp());
  return command;
}

/** Adds one `bd` command. `example` is what comes after `canopy bd`. */
export function addBdCommand(
  parent: Command,
  signature: string,
  description: string,
  example: string,
): Command {
  const command = parent.command(signature).description(description);
  return addCommonOptions(command).addHelpText("after", `\nExample:\n  canopy bd ${example}`);
}

/** Has `work` done when the command runs. */
export function onCall<O>(
  command: Command,
  setExit: (code: number) => void,
  work: (call: BdCall<O>) => Promise<void>,
): void {
  command.action(async (...given: unknown[]) => {
    const options = command.optsWithGlobals<O & BdOptions>();
    let opened: Promise<BoardClient> | null = null;
    if (options.db !== undefined && options.json !== true && options.quiet !== true)
      printNote("bd: --db is ignored: Canopy keeps the issues of this repository");
    await work({
      args: given.slice(0, -2).filter((arg) => arg !== undefined) as (string | string[])[],
      options,
      setExit,
      board: () => (opened ??= openBoard(options.actor)),
      show: (value, text) => {
        if (options.json === true) printBdJson(value);
        else if (options.quiet !== true) printText(text());
      },
    });
  });
}

/** The arguments of a call as one list. */
export function listArguments(call: { readonly args: BdCall<unknown>["args"] }): string[] {
  return call.args.flat();
}
