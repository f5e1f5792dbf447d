import { readFile } from "node:fs/promises";
import { CanopyError } from "@canopy/protocol/errors";
import { readStandardInput } from "./read-standard-input.ts";

/** Reads a file that a person named, as UTF-8; `-` is standard input. Throws `usage.invalid` for what cannot be read. */
export async function readTextFile(file: string): Promise<string> {
  if (file === "-") return await readStandardInput();
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CanopyError(
      "usage.invalid",
      `cannot read ${file}: ${error instanceof Error ? error.message : ""}`,
    );
  }
}
