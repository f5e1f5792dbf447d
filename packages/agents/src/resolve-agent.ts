import { existsSync } from "node:fs";
import path from "node:path";
import { CanopyError } from "@canopy/protocol";
import { createAcpDriver } from "./acp/acp-driver.ts";
import type { AcpAuthentication } from "./acp/acp-handshake.ts";
import type { AgentDriver } from "./agent-driver.ts";
import { LOGIN_FILES } from "./agent-logins.ts";
import type { LoginFile } from "./agent-logins.ts";
import { BUILTIN_AGENTS } from "./builtin-agents.ts";
import type { BuiltinAgent } from "./builtin-agents.ts";
import { createClaudeDriver } from "./claude/claude-driver.ts";
import { createCodexDriver } from "./codex/codex-driver.ts";
import { createCommandDriver } from "./command/command-driver.ts";
import type { OutputFormat } from "./command/stream-parser.ts";
import { createOpenCodeDriver } from "./opencode/opencode-driver.ts";
import { createScriptedDriver } from "./scripted/scripted-driver.ts";
import { splitCommandLine } from "./split-command-line.ts";

/** One agent as a person configured it. */
export interface AgentDefinition {
  /** Left out: the built-in agent's of this name. */
  readonly driver?: "acp" | "claude" | "codex" | "opencode" | "command" | "scripted" | undefined;
  /** acp, claude, codex, opencode: the program; command: the shell command; scripted: nothing, or the script's file. */
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /** Names of variables of the user's environment that the agent may see. */
  readonly env?: readonly string[] | undefined;
  /** Variables whose values come from the system's keychain, as `SERVICE/ACCOUNT`. */
  readonly keychain?: Readonly<Record<string, string>> | undefined;
  /** Whether it gets a copy of what the person's own login with it left in their home. */
  readonly login?: boolean | undefined;
  readonly model?: string | undefined;
  /** command: what it prints; plain text when left out. */
  readonly output?: OutputFormat | undefined;
}

/** Configured agents by name. */
export type AgentDefinitions = Readonly<Record<string, AgentDefinition>>;

/** An agent that can be started. */
export interface ResolvedAgent {
  readonly name: string;
  readonly driver: AgentDriver;
  readonly model: string | null;
  /** Variables that a person allowed the agent to see. */
  readonly environmentNames: readonly string[];
  /** Variables that come from the system's keychain, with their places. */
  readonly keychain: Readonly<Record<string, string>>;
  /** Variables that this agent usually needs; for hints only. */
  readonly credentialNames: readonly string[];
  /** What its own login leaves in a person's home; empty when that is not known. */
  readonly loginFiles: readonly LoginFile[];
  readonly hasLogin: boolean;
}

function unknownAgent(text: string, definitions: AgentDefinitions): CanopyError {
  const configured = Object.keys(definitions).toSorted();
  const known = [
    ...configured,
    "scripted",
    ...Object.keys(BUILTIN_AGENTS).filter((name) => !configured.includes(name)),
  ];
  return new CanopyError("usage.unknown-agent", `unknown agent "${text}"`, {
    hint: `Known: ${known.join(", ")}; or command:<shell command>, acp:<command>, scripted:<file>.`,
    data: { known },
  });
}

function bare(name: string, driver: AgentDriver): ResolvedAgent {
  return {
    name,
    driver,
    model: null,
    environmentNames: [],
    keychain: {},
    credentialNames: [],
    loginFiles: [],
    hasLogin: false,
  };
}

function requireCommand(name: string, command: string | undefined): string {
  if (command !== undefined && command.trim() !== "") return command;
  throw new CanopyError("usage.invalid", `agent "${name}" has no command`, {
    hint: "Write it as command:<shell command> or acp:<command>, or set `command` in the configuration.",
  });
}

function acpCommand(name: string, line: string): readonly [string, ...string[]] {
  const [program, ...args] = splitCommandLine(line);
  return [requireCommand(name, program), ...args];
}

function scriptedDriver(name: string, file: string | undefined, baseDirectory: string): AgentDriver {
  if (file === undefined || file === "") return createScriptedDriver({ name, scriptFile: null });
  const scriptFile = path.resolve(baseDirectory, file);
  if (existsSync(scriptFile)) return createScriptedDriver({ name, scriptFile });
  throw new CanopyError("usage.invalid", `agent "${name}": the script ${scriptFile} does not exist`);
}

interface Launch {
  readonly name: string;
  readonly driver: "acp" | "claude" | "codex" | "opencode";
  readonly command: readonly [string, ...string[]];
  readonly authentication: AcpAuthentication | null;
  readonly measured: BuiltinAgent["measured"];
}

function launchedDriver({ name, driver, command, authentication, measured = {} }: Launch): AgentDriver {
  const [program, ...args] = command;
  if (driver === "claude") return createClaudeDriver({ name, command: program, args });
  if (driver === "codex") return createCodexDriver({ name, command: program, args });
  if (driver === "opencode") return createOpenCodeDriver({ name, command: program, args });
  return createAcpDriver({ name, command, authentication, measured });
}

function findBuiltin(name: string): BuiltinAgent | undefined {
  return Object.hasOwn(BUILTIN_AGENTS, name) ? BUILTIN_AGENTS[name] : undefined;
}

function driverOf(name: string, definition: AgentDefinition): NonNullable<AgentDefinition["driver"]> {
  const builtin = findBuiltin(name);
  if (definition.driver !== undefined) return definition.driver;
  if (builtin !== undefined) return builtin.driver ?? "acp";
  throw new CanopyError("config.invalid", `agent "${name}" has no driver`, {
    hint: "set driver to acp, claude, codex, opencode, command or scripted",
  });
}

/** What a person lets an agent have of their secrets, and where those usually are. */
function secretsOf(
  name: string,
  { env = [], keychain = {}, login = false }: AgentDefinition,
  driver: string,
): Omit<ResolvedAgent, "name" | "driver" | "model"> {
  // An agent of a name of its own usually needs what the one needs that it is.
  const like = findBuiltin(name) ?? findBuiltin(driver);
  return {
    environmentNames: env,
    keychain,
    credentialNames: like?.credentialNames ?? [],
    loginFiles: loginFilesOf(name, driver),
    hasLogin: login,
  };
}

function authenticationOf(
  builtin: BuiltinAgent | undefined,
  { login = false }: AgentDefinition,
): AcpAuthentication | null {
  if (login && builtin?.loginMethodId !== undefined)
    return { methodId: builtin.loginMethodId, variable: null };
  return builtin?.authentication ?? null;
}

function fromDefinition(name: string, definition: AgentDefinition, baseDirectory: string): ResolvedAgent {
  const { args = [] } = definition;
  const driver = driverOf(name, definition);
  const builtin = findBuiltin(name);
  const resolved = { name, model: definition.model ?? null, ...secretsOf(name, definition, driver) };
  if (driver === "scripted")
    return { ...resolved, driver: scriptedDriver(name, definition.command, baseDirectory) };
  const command = requireCommand(name, definition.command ?? usualCommand(driver, builtin));
  if (driver === "command") {
    const line = [command, ...args.map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`)].join(" ");
    const { output = "text" } = definition;
    return { ...resolved, driver: createCommandDriver({ name, command: line, output }) };
  }
  const [program, ...words] = acpCommand(name, command);
  const launched = launchedDriver({
    name,
    driver,
    command: [program, ...words, ...args],
    authentication: authenticationOf(builtin, definition),
    measured: builtin?.measured,
  });
  return { ...resolved, driver: launched };
}

function loginFilesOf(name: string, driver: string): readonly LoginFile[] {
  const key = driver === "acp" ? name : driver;
  return Object.hasOwn(LOGIN_FILES, key) ? (LOGIN_FILES[key] ?? []) : [];
}

/** What is launched when only the driver, or only what differs from a built-in agent, was said. */
function usualCommand(
  driver: NonNullable<AgentDefinition["driver"]>,
  builtin: BuiltinAgent | undefined,
): string | undefined {
  if (builtin !== undefined && driver === (builtin.driver ?? "acp"))
    return builtin.command.map((word) => `'${word}'`).join(" ");
  return driver === "claude" || driver === "codex" || driver === "opencode" ? driver : undefined;
}

function fromBuiltin(name: string): ResolvedAgent | null {
  const builtin = findBuiltin(name);
  if (builtin === undefined) return null;
  const { command, authentication = null, credentialNames, driver = "acp", measured } = builtin;
  const launched = launchedDriver({ name, driver, command, authentication, measured });
  return { ...bare(name, launched), credentialNames, loginFiles: loginFilesOf(name, driver) };
}

/**
 * Finds the agent that a person named: `command:<shell command>`, `acp:<command>`, `scripted[:file]`, a configured name,
 * or a built-in one, in this order. Relative script files are looked up from `baseDirectory`. Throws
 * `usage.unknown-agent` with everything that is known, or `usage.invalid`.
 */
export function resolveAgent(
  text: string,
  definitions: AgentDefinitions,
  baseDirectory: string,
): ResolvedAgent {
  const colon = text.indexOf(":");
  const prefix = colon === -1 ? text : text.slice(0, colon);
  const rest = colon === -1 ? undefined : text.slice(colon + 1);
  if (prefix === "command" && rest !== undefined) {
    return bare("command", createCommandDriver({ name: "command", command: requireCommand(text, rest) }));
  }
  if (prefix === "acp" && rest !== undefined) {
    const command = acpCommand(text, rest);
    const name = path.basename(command[0]);
    return bare(name, createAcpDriver({ name, command }));
  }
  const definition = Object.hasOwn(definitions, text) ? definitions[text] : undefined;
  if (definition !== undefined) return fromDefinition(text, definition, baseDirectory);
  if (prefix === "scripted") return bare("scripted", scriptedDriver("scripted", rest, baseDirectory));
  const builtin = fromBuiltin(text);
  if (builtin !== null) return builtin;
  throw unknownAgent(text, definitions);
}
