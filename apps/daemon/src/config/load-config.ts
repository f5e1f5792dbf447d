import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProjectConfig } from "@canopy/protocol";
import { CanopyError, projectConfigSchema } from "@canopy/protocol";
import { TomlError, parse } from "smol-toml";
import { locateKey } from "./locate-key.ts";

/** Where a project's configuration lies, relative to its work tree. */
export const CONFIG_PATH = join(".canopy", "config.toml");

/**
 * Parses the text of a configuration file. Throws `config.invalid` with file, line and what to do: a syntax error, an
 * unknown key or a bad value.
 */
export function parseConfig(text: string, file: string): ProjectConfig {
  const parsed = projectConfigSchema.safeParse(parseToml(text, file));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw new CanopyError("config.invalid", `${file} is not valid`);
  const unknownKeys = issue.code === "unrecognized_keys" ? issue.keys : [];
  const path = [...issue.path, ...unknownKeys.slice(0, 1)];
  const where = `${file}:${locateKey(text, path)}`;
  const key = path.map(String).join(".");
  if (unknownKeys.length > 0) {
    throw new CanopyError("config.invalid", `${where}: unknown key '${key}'`, {
      hint: "remove it, or see docs/configuration.md for the keys there are",
    });
  }
  throw new CanopyError("config.invalid", `${where}: ${key}: ${issue.message}`, {
    hint: "see docs/configuration.md for what each key takes",
  });
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = "not valid TOML"] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new CanopyError("config.invalid", `${file}:${error.line}:${error.column}: ${what}`, {
      cause: error,
    });
  }
}

/** Reads a project's configuration; a missing file means all defaults. Throws `config.invalid`. */
export async function loadConfig(workTree: string): Promise<ProjectConfig> {
  const file = join(workTree, CONFIG_PATH);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return projectConfigSchema.parse({});
    throw new CanopyError(
      "config.invalid",
      `cannot read ${file}: ${error instanceof Error ? error.message : ""}`,
      {
        hint: "make the file readable, or remove it to use the defaults",
        cause: error,
      },
    );
  }
  return parseConfig(text, file);
}
