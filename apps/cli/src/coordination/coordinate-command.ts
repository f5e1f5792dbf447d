import type { Json } from "@canopy/protocol";
import type { Command } from "commander";
import type { IdentityOptions } from "../connection/coordination-api.ts";
import { printJson, printText } from "../output/print.ts";

/** Options of every command of coordination. */
export interface Common extends IdentityOptions {
  readonly json?: boolean;
}

/** Sets the exit code of a success. */
export type Setter = (code: number) => void;

/** A command that a session or a person gives. */
export function addCommand(
  program: Command,
  signature: string,
  description: string,
  example: string,
): Command {
  return program
    .command(signature)
    .description(description)
    .option("--session <session>", "who acts: a handle or id; default: found by environment or process")
    .option("--as <name>", "come as a session of this name, for agents without hooks")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample:\n  ${example}`);
}

/** Types a part of an answer. */
export function parse<T>(value: unknown): T {
  return value as T;
}

/** Prints an answer as JSON or as text. */
export function show(answer: Record<string, Json>, { json }: Common, describe: () => string): void {
  if (json === true) printJson(answer);
  else printText(describe());
}
