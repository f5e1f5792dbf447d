import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeCapability, resolveAgent } from "@canopy/agents";
import type { AgentCapabilities } from "@canopy/agents";
import type { AgentModelList } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol/errors";
import { runSelfTest } from "../agents/self-test.ts";
import type { SelfTest } from "../agents/self-test.ts";
import { describeSignIn, summarizeSignIn } from "../agents/sign-in.ts";
import { readAgentConfig, surveyAgents } from "../agents/survey-agents.ts";
import type { AgentSurvey } from "../agents/survey-agents.ts";
import { openProjectApi } from "../connection/project-api.ts";
import { formatTable, sanitizeLine } from "../output/format.ts";
import { printJson, printNote, printText } from "../output/print.ts";
import { parseDurationArgument } from "../parse-arguments.ts";
import type { RegisterCommands } from "../run-cli.ts";

interface JsonOption {
  readonly json?: boolean;
}

interface TestOptions extends JsonOption {
  readonly model?: string;
  readonly prompt: string;
  readonly timeout: number;
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "canopy-agent-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function listAgents(options: JsonOption): Promise<void> {
  const agents = await withFolder((folder) => surveyAgents(process.cwd(), folder));
  if (options.json === true) return printJson({ agents });
  const installed = agents.filter((agent) => agent.installed);
  const rows = [...installed, ...agents.filter((agent) => !agent.installed)].map((agent) => [
    agent.name,
    agent.kind,
    agent.installed ? (agent.programVersion ?? "yes") : "-",
    agent.installed ? summarizeSignIn(agent) : "",
    sanitizeLine(agent.command),
  ]);
  printText(formatTable(["AGENT", "DRIVER", "INSTALLED", "SIGNED IN", "COMMAND"], rows));
  printNote("what each can do, and what Canopy does in its place: canopy agent doctor NAME");
}

function describeAgent(agent: AgentSurvey): string {
  const can: string[] = [];
  let name: keyof AgentCapabilities;
  for (name in agent.capabilities)
    can.push(`  ${name.padEnd(13)} ${describeCapability(name, agent.capabilities[name])}`);
  return [
    `${agent.name}: ${sanitizeLine(agent.command)}`,
    `  ${agent.installed ? "installed" : "not installed"}: ${sanitizeLine(agent.detail)}`,
    ...describeSignIn(agent).map((line) => `  ${sanitizeLine(line)}`),
    ...can,
  ].join("\n");
}

async function doctorAgents(name: string | undefined, options: JsonOption): Promise<void> {
  const all = await withFolder((folder) => surveyAgents(process.cwd(), folder, name));
  const agents = name === undefined ? all.filter((agent) => agent.installed || agent.configured) : all;
  if (options.json === true) return printJson({ agents });
  printText(agents.length === 0 ? "no agent is installed" : agents.map(describeAgent).join("\n\n"));
}

async function listModels(name: string, options: JsonOption): Promise<void> {
  const api = await openProjectApi();
  const path = `/agents/${encodeURIComponent(name)}/models?path=${encodeURIComponent(process.cwd())}`;
  const list = parseModelList(await api.ask("GET", path));
  if (options.json === true) return printJson(list);
  if (!list.canList) return printText(sanitizeLine(list.reason ?? "it does not say which models it has"));
  const rows = list.models.map((model) => [
    sanitizeLine(model.id),
    model.isDefault ? "yes" : "",
    sanitizeLine(model.name),
  ]);
  printText(formatTable(["MODEL", "DEFAULT", "NAME"], rows));
  if (list.alsoTakes.includes("")) printText("it may have others, which are passed on as they are");
  else if (list.alsoTakes.length > 0) printText(`and others that begin with ${list.alsoTakes.join(", ")}`);
}

function parseModelList(answer: unknown): AgentModelList {
  return answer as AgentModelList;
}

/** What there is of keys and logins, when that is what an agent lacks; null otherwise. */
async function explainSignIn(name: string, kind: unknown): Promise<string | null> {
  if (kind !== "authentication") return null;
  const surveys = await withFolder((folder) => surveyAgents(process.cwd(), folder, name));
  return surveys.flatMap((survey) => describeSignIn(survey)).join("; ");
}

async function runTest(name: string, options: TestOptions): Promise<SelfTest> {
  const agent = resolveAgent(name, await readAgentConfig(process.cwd()), process.cwd());
  const signal = AbortSignal.timeout(options.timeout);
  const { prompt, model = null } = options;
  try {
    return await withFolder((folder) => runSelfTest(agent, { folder, prompt, model, signal }));
  } catch (error) {
    if (!isCanopyError(error) || typeof error.data !== "object" || error.data === null) throw error;
    const hint = await explainSignIn(name, Reflect.get(error.data, "kind"));
    if (hint === null) throw error;
    throw new CanopyError(error.code, error.message, { hint });
  }
}

async function testAgent(name: string, options: TestOptions): Promise<boolean> {
  const test = await runTest(name, options);
  if (options.json === true) printJson(test);
  else if (test.ok) {
    printText(`${name} works: open in ${test.startMs} ms, one turn in ${test.turnMs} ms`);
    printText(`it said: ${sanitizeLine(test.message.trim().slice(0, 200))}`);
  } else {
    const { error } = test;
    const message = error?.message ?? `the turn ended: ${test.reason}`;
    const hint = (await explainSignIn(name, error?.kind)) ?? error?.hint ?? null;
    throw new CanopyError(error?.code ?? "agent.failed", message, hint === null ? {} : { hint });
  }
  return test.ok;
}

/** `canopy agent`. */
export const registerAgent: RegisterCommands = (program, setExit) => {
  const agent = program
    .command("agent")
    .description("the agents that can be run: what is installed, what it can do, does it work")
    .addHelpText("after", "\nExample:\n  canopy agent list");
  agent
    .command("list")
    .description("list the agents that Canopy knows and the configured ones")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy agent list")
    .action(listAgents);
  agent
    .command("doctor")
    .argument("[name]", "only this one; by default all that are installed or configured")
    .description("say whether an agent is installed, which version, and what it can do")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  canopy agent doctor claude")
    .action(doctorAgents);
  agent
    .command("models")
    .argument("<name>", "a configured or built-in name, acp:<command>, command:<shell command>")
    .description(
      "list the models that an agent offers in this project; it is started for that, and asks no model",
    )
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  canopy agent models claude")
    .action(listModels);
  agent
    .command("test")
    .argument("<name>", "a configured or built-in name, acp:<command>, command:<shell command>")
    .description("run one turn in an empty folder; this asks the agent's model, which may cost money")
    .option("--model <name>", "the model to ask")
    .option("--prompt <text>", "what to ask", "Answer with the one word: ready")
    .option("--timeout <duration>", "longest it may take", parseDurationArgument, 120_000)
    .option("--json", "print how it went as JSON")
    .addHelpText("after", "\nExample:\n  canopy agent test codex")
    .action(async (name: string, options: TestOptions) => {
      if (!(await testAgent(name, options))) setExit(1);
    });
};
