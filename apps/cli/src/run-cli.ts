import { Command, CommanderError } from "commander";
import { CanopyError } from "@canopy/protocol/errors";
import { CANOPY_VERSION } from "@canopy/protocol/version";

/** What a command module offers: it adds its commands to the program. `setExit` sets the exit code of a success. */
export type RegisterCommands = (program: Command, setExit: (code: number) => void) => void;

interface CommandModule {
  readonly names: readonly string[];
  readonly load: () => Promise<RegisterCommands>;
}

/** Loaded one by one, so that a command starts with no more than it needs. */
const MODULES: readonly CommandModule[] = [
  { names: ["init"], load: async () => (await import("./commands/init.ts")).registerInit },
  {
    names: ["up", "down", "status", "logs"],
    load: async () => (await import("./commands/daemon.ts")).registerDaemon,
  },
  { names: ["doctor"], load: async () => (await import("./commands/doctor.ts")).registerDoctor },
  { names: ["task"], load: async () => (await import("./commands/task.ts")).registerTask },
  { names: ["bd"], load: async () => (await import("./commands/bd.ts")).registerBd },
  { names: ["run"], load: async () => (await import("./commands/run.ts")).registerRun },
  {
    names: ["ps", "kill", "history", "stats"],
    load: async () => (await import("./commands/observe.ts")).registerObserve,
  },
  { names: ["queue"], load: async () => (await import("./commands/queue.ts")).registerQueue },
  { names: ["deliver"], load: async () => (await import("./commands/deliver.ts")).registerDeliver },
  { names: ["sandbox"], load: async () => (await import("./commands/sandbox.ts")).registerSandbox },
  { names: ["agent"], load: async () => (await import("./commands/agent.ts")).registerAgent },
  { names: ["inbox", "answer"], load: async () => (await import("./commands/inbox.ts")).registerInbox },
  { names: ["mcp"], load: async () => (await import("./commands/mcp.ts")).registerMcp },
  { names: ["session"], load: async () => (await import("./commands/session.ts")).registerSession },
  {
    names: ["scripted-model"],
    load: async () => (await import("./commands/scripted-model.ts")).registerScriptedModel,
  },
  { names: ["setup"], load: async () => (await import("./commands/setup.ts")).registerSetup },
  {
    names: [
      "sessions",
      "whoami",
      "note",
      "rename",
      "claim",
      "release",
      "claims",
      "send",
      "ack",
      "yield",
      "wait",
      "explain",
    ],
    load: async () => (await import("./commands/coordinate.ts")).registerCoordinate,
  },
  {
    names: ["list", "show", "export", "finish", "reopen", "forget", "gc"],
    load: async () => (await import("./commands/project.ts")).registerProject,
  },
  { names: ["demo"], load: async () => (await import("./commands/demo.ts")).registerDemo },
];

function createProgram(): Command {
  return new Command("canopy")
    .description("Run many coding agents on a repository in parallel, and land their work.")
    .version(CANOPY_VERSION, "-V, --version")
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .exitOverride()
    .addHelpText(
      "after",
      [
        "",
        "Example:",
        '  canopy task add "Fix the login redirect"',
        "  canopy run -c 4 --agent claude",
        "  canopy deliver",
        "",
        "Exit codes: 0 ok, 1 some work failed, 2 usage, 3 conflict, 4 not found, 5 time-out, 6 rate limited,",
        "7 daemon unavailable, 130 interrupted.",
      ].join("\n"),
    );
}

function passExitOverride(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) passExitOverride(child);
}

/** The command that was meant, as far as the arguments name one: what `--help` is best asked of. */
function findCommand(program: Command, args: readonly string[]): Command {
  let found = program;
  for (const arg of args.filter((each) => !each.startsWith("-"))) {
    const child = found.commands.find((command) => command.name() === arg);
    if (child === undefined) break;
    found = child;
  }
  return found;
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

/** What commander found wrong, as one line with one hint. */
function toUsageError(error: CommanderError, command: Command): CanopyError {
  const path = commandPath(command);
  if (error.code === "commander.help") {
    const names = command.commands.map((child) => child.name()).join(", ");
    return new CanopyError("usage.invalid", `${path} needs a command: ${names}`, {
      hint: `see: ${path} --help`,
    });
  }
  const [message = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  return new CanopyError("usage.invalid", message, { hint: `${suggestion} see: ${path} --help`.trim() });
}

/** The modules that a command line needs: all of them only where the help lists all commands, or an error the nearest. */
function chooseModules(wanted: string | undefined, args: readonly string[]): readonly CommandModule[] {
  if (wanted === undefined && args.some((arg) => arg === "-V" || arg === "--version")) return [];
  const chosen = MODULES.filter((module) => wanted !== undefined && module.names.includes(wanted));
  return chosen.length > 0 ? chosen : MODULES;
}

/** Runs the command line and returns its exit code. Throws CanopyErrors, `usage.invalid` for wrong arguments. */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = createProgram();
  let exitCode = 0;
  const setExit = (code: number): void => {
    exitCode = code;
  };
  const wanted = args.find((arg) => !arg.startsWith("-"));
  for (const module of chooseModules(wanted, args)) (await module.load())(program, setExit);
  passExitOverride(program);
  if (args.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw toUsageError(error, findCommand(program, args));
  }
  return exitCode;
}
