import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProjectConfig } from "@canopy/protocol";
import { CanopyError, agentConfigsSchema, projectConfigSchema, sandboxConfigSchema } from "@canopy/protocol";
import { TomlError, parse } from "smol-toml";
import { z } from "zod";
import { resolveUserAgentsPath } from "../home/daemon-paths.ts";
import { locateKey } from "./locate-key.ts";
import { mergeAgents } from "./merge-agents.ts";
import { fromSeedSandbox, seedSandboxSchema } from "./read-seed-sandbox.ts";
import { fromSeedValidation, seedValidationSchema } from "./read-seed-validation.ts";

/** Where a project's configuration lies, relative to its work tree. */
export const CONFIG_PATH = join(".canopy", "config.toml");
const userAgentsSchema = z.strictObject({ agents: agentConfigsSchema.default({}) });
const SEED_SANDBOX_PATH = join(".canopy", "sandbox.toml");
const SEED_VALIDATION_PATH = join(".canopy", "validation.toml");

/**
 * Parses the text of a configuration file. Throws `config.invalid` with file, line and what to do: a syntax error, an
 * unknown key or a bad value.
 */
export function parseConfig(text: string, file: string): ProjectConfig {
  return parseBy(projectConfigSchema, text, file);
}

function parseBy<T>(schema: z.ZodType<T>, text: string, file: string): T {
  const parsed = schema.safeParse(parseToml(text, file));
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

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new CanopyError(
      "config.invalid",
      `cannot read ${file}: ${error instanceof Error ? error.message : ""}`,
      {
        hint: "make the file readable, or remove it to use the defaults",
        cause: error,
      },
    );
  }
}

function tableOf(text: string, file: string, name: string): Record<string, unknown> | null {
  const parsed = parseToml(text, file);
  if (typeof parsed !== "object" || parsed === null) return null;
  const table: unknown = Reflect.get(parsed, name);
  return typeof table === "object" && table !== null ? { ...table } : null;
}

async function readSeed<T>(schema: z.ZodType<T>, file: string): Promise<T | null> {
  const text = await readIfThere(file);
  return text === null ? null : parseBy(schema, text, file);
}

/** The keys of `config.toml` win, one by one, over those of an older `sandbox.toml`. */
async function readSeedSandbox(
  workTree: string,
  own: Record<string, unknown> | null,
): Promise<ProjectConfig["sandbox"] | null> {
  const file = join(workTree, SEED_SANDBOX_PATH);
  const seed = await readSeed(seedSandboxSchema, file);
  if (seed === null) return null;
  const merged = sandboxConfigSchema.safeParse({ ...fromSeedSandbox(seed), ...own });
  if (merged.success) return merged.data;
  const [issue] = merged.error.issues;
  throw new CanopyError(
    "config.invalid",
    `${file}: ${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "not valid"}`,
    {
      hint: "see docs/configuration.md for what each key of [sandbox] takes",
    },
  );
}

/** A repository may not ask for a person's login; only they themselves can give it. */
function refuseLogin(agents: ProjectConfig["agents"], text: string, file: string): void {
  for (const [name, agent] of Object.entries(agents)) {
    if (agent.login === undefined) continue;
    const where = `${file}:${locateKey(text, ["agents", name, "login"])}`;
    throw new CanopyError("config.invalid", `${where}: agents.${name}.login cannot be set by a repository`, {
      hint: `put [agents.${name}] login = true into ~/.config/canopy/agents.toml`,
    });
  }
}

async function loadUserAgents(file: string): Promise<ProjectConfig["agents"]> {
  const text = await readIfThere(file);
  return text === null ? {} : parseBy(userAgentsSchema, text, file).agents;
}

/**
 * Reads a project's configuration, with the person's own agents; a missing file means all defaults. Where it says nothing of
 * validation, an older `.canopy/validation.toml` counts; what it leaves open of the sandbox, an older `.canopy/sandbox.toml`
 * says. Throws `config.invalid`.
 */
export async function loadConfig(
  workTree: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ProjectConfig> {
  const file = join(workTree, CONFIG_PATH);
  const text = (await readIfThere(file)) ?? "";
  const config = parseConfig(text, file);
  refuseLogin(config.agents, text, file);
  const agents = mergeAgents(await loadUserAgents(resolveUserAgentsPath(env)), config.agents);
  const sandbox = await readSeedSandbox(workTree, tableOf(text, file, "sandbox"));
  const validation =
    tableOf(text, file, "validation") === null
      ? await readSeed(seedValidationSchema, join(workTree, SEED_VALIDATION_PATH))
      : null;
  return {
    ...config,
    agents,
    ...(sandbox === null ? {} : { sandbox }),
    ...(validation === null ? {} : { validation: fromSeedValidation(validation) }),
  };
}
