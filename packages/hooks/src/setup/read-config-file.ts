import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { CanopyError } from "@canopy/protocol";

/** A file as it is now. */
export interface ConfigFile {
  /** Where it really is: what a symbolic link leads to. */
  readonly target: string;
  readonly mode: number;
  /** With its mark of byte order, if it has one. */
  readonly text: string;
}

/** Reads a configuration file, or null when there is none. Throws `config.invalid` for what is no text file, or a link to nothing. */
export function readConfigFile(path: string): ConfigFile | null {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  } catch (error) {
    throw refuse(path, "cannot be looked at", error);
  }
  let target: string;
  try {
    target = realpathSync(path);
  } catch (error) {
    throw refuse(path, "is a link to nothing", error);
  }
  const stats = statSync(target);
  if (!stats.isFile()) throw refuse(path, "is no file", undefined);
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { target, mode: stats.mode & 0o7777, text: decoder.decode(readFileSync(target)) };
  } catch (error) {
    throw refuse(path, error instanceof TypeError ? "is no text in UTF-8" : "cannot be read", error);
  }
}

function refuse(path: string, what: string, cause: unknown): CanopyError {
  return new CanopyError("config.invalid", `${path} ${what}`, {
    hint: "mend the file first; nothing was changed",
    cause,
  });
}
