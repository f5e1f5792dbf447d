import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GEMINI_SETTINGS, launchRealAgent, realAgentCache } from "@canopy/testkit";
import type { RealAgentName } from "@canopy/testkit";
import { createTestRepository } from "../create-test-repository.ts";
import type { TestHome } from "../open-test-home.ts";

/** A repository whose agent `real` is one of the real ones, speaking to a scripted model. */
export interface RealProject {
  readonly cwd: string;
  /** What the daemon must be started with. */
  readonly env: Readonly<Record<string, string>>;
}

/** What a real project is made of. */
export interface RealProjectOptions {
  readonly name: RealAgentName;
  readonly program: string;
  readonly modelUrl: string;
  /** Put before the table of the agent. */
  readonly config: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  /** Name of the folder; the agent's when left out. */
  readonly folder?: string;
  /** Besides what the agent needs to reach the scripted model, or instead of it. */
  readonly env?: Readonly<Record<string, string>>;
  /** The same agent under further names, each with further variables, such as the key of another account. */
  readonly otherAgents?: Readonly<Record<string, readonly string[]>>;
  /** Whether agents wait for tasks, which costs a further start of the agent with every task. Default false. */
  readonly isWarm?: boolean;
}

/** Lines of `[sandbox]` with which an agent in the sandbox reaches the scripted model on this machine's loopback. */
export const SANDBOX_WITH_LOOPBACK: readonly string[] = [
  "[sandbox]",
  'level = "sandbox"',
  'network = "allow"',
  `permit = [${JSON.stringify(realAgentCache())}]`,
];

/** Makes the repository, its configuration, and the environment that the agent needs. */
export async function createRealProject(home: TestHome, options: RealProjectOptions): Promise<RealProject> {
  const { name, program, modelUrl, files = {} } = options;
  const cwd = join(home.root, options.folder ?? `with-${name}`);
  const { driver, command, env, model } = launchRealAgent(name, program, modelUrl);
  const settings = join(home.root, "gemini-settings.json");
  await writeFile(settings, GEMINI_SETTINGS);
  const isGemini = name === "gemini";
  const all = {
    ...env,
    ...(isGemini ? { GEMINI_CLI_SYSTEM_SETTINGS_PATH: settings } : {}),
    ...options.env,
  };
  const [first, ...args] = command;
  const others = Object.values(options.otherAgents ?? {}).flat();
  const tableOf = (agent: string, names: readonly string[]): string[] => [
    `[agents.${agent}]`,
    `driver = ${JSON.stringify(driver)}`,
    `command = ${JSON.stringify(first)}`,
    // A file that is named in the command line is shown in the sandbox.
    `args = ${JSON.stringify(args)}`,
    `env = ${JSON.stringify(names)}`,
    ...(model === null ? [] : [`model = ${JSON.stringify(model)}`]),
  ];
  const config = [
    ...options.config,
    "[run]",
    `warm = ${options.isWarm === true}`,
    ...tableOf(
      "real",
      Object.keys(all).filter((key) => !others.includes(key)),
    ),
    ...Object.entries(options.otherAgents ?? {}).flatMap(([other, names]) =>
      tableOf(other, [...Object.keys(all).filter((key) => !others.includes(key)), ...names]),
    ),
  ].join("\n");
  await createTestRepository(cwd, { ...files, ".canopy/config.toml": `${config}\n` });
  return { cwd, env: all };
}
