import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import type { SandboxConfig, SandboxRole } from "@canopy/protocol";
import { listProviderHosts, REGISTRY_HOSTS } from "./known-hosts.ts";
import { PROXY_PORT } from "./egress-proxy.ts";
import { planCredentials } from "./proxy-credentials.ts";
import type { ProxyCredential } from "./proxy-credentials.ts";
import type { NetworkPolicy, SandboxLevel, SandboxLimits, SandboxSettings } from "./sandbox-settings.ts";

/** For whom a sandbox is. */
export interface SandboxSubject {
  readonly config: SandboxConfig;
  readonly role: SandboxRole;
  /** The agent as it was asked for, such as `claude` or `command:./agent.sh`; null for validation. */
  readonly agent: string | null;
  /** What the person's configuration says that the agent is started with. */
  readonly commandLine: readonly string[];
  /** What the agent would be given of the person's environment; left out: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the agent gets of the person's own login; left out: nothing. */
  readonly logins?: SandboxSettings["logins"];
  /** What else must be readable, such as the repository's objects. */
  readonly readOnly: readonly string[];
}

/** Canopy's own code, which the agents that ship with it run. */
const CANOPY_FOLDERS = ["packages", "node_modules"].map((name) =>
  join(import.meta.dirname, "../../../..", name),
);

function toLimits(limits: SandboxConfig["limits"]): SandboxLimits {
  const { memory, processes, open_files: openFiles, disk, files, time, cpus } = limits;
  return {
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(processes === undefined ? {} : { processCount: processes }),
    ...(openFiles === undefined ? {} : { openFileCount: openFiles }),
    ...(disk === undefined ? {} : { diskBytes: disk }),
    ...(files === undefined ? {} : { fileCount: files }),
    ...(time === undefined ? {} : { wallMs: time }),
    ...(cpus === undefined ? {} : { cpuCount: cpus }),
  };
}

function toContainer({ image, engine }: SandboxConfig["container"]): SandboxSettings["container"] {
  return { image: image ?? null, engine: engine ?? null };
}

/** Files that a person wrote into an agent's command line: naming a program there means that the agent may read it. */
async function listNamedFiles(texts: readonly string[]): Promise<string[]> {
  const paths = texts.flatMap((text) => text.match(/(?<![\w./-])\/[^\s'";|&<>()$`]+/g) ?? []);
  const infos = await Promise.all(paths.map((path) => stat(path).catch(() => null)));
  return paths.filter((_path, index) => infos[index]?.isFile() === true);
}

/** What was said last counts: for the role, for the agent, for the project. */
function choose<T>(role: T | undefined, agent: T | undefined, project: T): T {
  return role ?? agent ?? project;
}

/** Throws `config.invalid` where there is no proxy that could add them: the keys must not go to the agent instead. */
function keepCredentials(
  { config, environment = {} }: SandboxSubject,
  level: SandboxLevel,
  network: NetworkPolicy,
): readonly ProxyCredential[] {
  if (config.credentials === "environment") return [];
  const { credentials } = planCredentials(environment, PROXY_PORT);
  const isBehindProxy = (level === "sandbox" || level === "container") && network === "allowlist";
  if (credentials.length === 0 || isBehindProxy) return credentials;
  throw new CanopyError(
    "config.invalid",
    `[sandbox] credentials = "proxy" needs level "sandbox" or "container" and network "allowlist", not "${level}" and "${network}"`,
    { hint: "Only there is a proxy between the agent and the model's provider." },
  );
}

/** Works out what a role's processes may reach: the project's settings, then the agent's, then the role's. */
export async function createSandboxSettings(subject: SandboxSubject): Promise<SandboxSettings> {
  const { config, role, agent } = subject;
  const forAgent = agent === null || !Object.hasOwn(config.agents, agent) ? undefined : config.agents[agent];
  const forRole = config.roles[role];
  const level = choose(forRole?.level, forAgent?.level, config.level);
  const network = choose(forRole?.network, forAgent?.network, config.network);
  const named = await listNamedFiles([agent ?? "", ...subject.commandLine]);
  return {
    level,
    network,
    allow: [
      ...REGISTRY_HOSTS,
      ...(agent === null ? [] : listProviderHosts(agent)),
      ...config.allow,
      ...(forAgent?.allow ?? []),
      ...(forRole?.allow ?? []),
    ],
    readOnly: [
      ...CANOPY_FOLDERS,
      dirname(process.execPath),
      ...subject.readOnly,
      ...named,
      ...config.read_only,
    ],
    caches: config.cache_mounts,
    permit: config.permit,
    block: config.block,
    copyConfigs: config.copy_configs,
    logins: subject.logins ?? [],
    hasToolCaches: config.tool_caches,
    limits: toLimits(config.limits),
    credentials: keepCredentials(subject, level, network),
    container: toContainer(config.container),
  };
}
