#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CANOPY_VERSION } from "@canopy/protocol";
import { AgentConnection, RpcError } from "./agent-connection.ts";
import { chooseSteps, createDefaultSteps, findScriptBlock, findTitle } from "./choose-steps.ts";
import type { PromptContext } from "./choose-steps.ts";
import { playSteps } from "./play-steps.ts";
import type { Stage } from "./stage.ts";
import { parseScript } from "./script-schema.ts";
import type { Script, ScriptStep } from "./script-schema.ts";

const MODELS = ["scripted-1", "scripted-2"];
const SESSION_PREFIX = "scripted-";

interface ScriptedSession {
  readonly id: string;
  readonly cwd: string;
  readonly cost: { usd: number | null };
  model: string;
  toolCount: number;
  turn: AbortController | null;
}

function readField(params: unknown, name: string): unknown {
  return typeof params === "object" && params !== null ? Reflect.get(params, name) : undefined;
}

function readString(params: unknown, name: string): string {
  const value = readField(params, name);
  if (typeof value !== "string") throw new RpcError(-32_602, `${name} is missing`);
  return value;
}

function readPrompt(params: unknown): string {
  const blocks = readField(params, "prompt");
  if (!Array.isArray(blocks)) throw new RpcError(-32_602, "prompt is missing");
  const texts = blocks.map((block: unknown) => readField(block, "text"));
  return texts.filter((text) => typeof text === "string").join("\n");
}

function readAttemptNumber(prompt: string): number {
  const text =
    process.env["CANOPY_ATTEMPT_NUMBER"] ?? /^attempt(?: number)?:?\s+(\d+)/im.exec(prompt)?.[1] ?? "1";
  const number = Number.parseInt(text, 10);
  return Number.isSafeInteger(number) && number > 0 ? number : 1;
}

function readLabels(): string[] {
  return (process.env["CANOPY_TASK_LABELS"] ?? "").split(",").filter((label) => label !== "");
}

/** The scripted agent's side of ACP. */
class ScriptedAgent {
  readonly #script: Script | null;
  readonly #sessions = new Map<string, ScriptedSession>();
  readonly #connection: AgentConnection;
  #isAuthenticated = false;

  constructor(script: Script | null) {
    this.#script = script;
    this.#connection = new AgentConnection({
      request: (method, params) => this.#request(method, params),
      notification: (method, params) => {
        if (method === "session/cancel")
          this.#sessions.get(String(readField(params, "sessionId")))?.turn?.abort();
      },
    });
  }

  serve(): Promise<void> {
    return this.#connection.serve();
  }

  async #request(method: string, params: unknown): Promise<unknown> {
    if (method === "initialize") return this.#initialize();
    if (method === "authenticate") return this.#authenticate(params);
    if (method === "session/new") return this.#openSession(params, null);
    if (method === "session/resume") return this.#openSession(params, readString(params, "sessionId"));
    if (method === "session/set_config_option") return this.#setModel(params);
    if (method === "session/prompt") return this.#prompt(params);
    throw new RpcError(-32_601, `"Method not found": ${method}`, { method });
  }

  async #initialize(): Promise<unknown> {
    const start = this.#script?.start;
    if (start !== undefined && start.delayMs > 0) await delay(start.delayMs);
    const methodId = start?.authenticationMethod;
    return {
      protocolVersion: 1,
      agentInfo: { name: "canopy-scripted-agent", title: "Scripted agent", version: CANOPY_VERSION },
      agentCapabilities: { loadSession: false, sessionCapabilities: { resume: {} } },
      authMethods: methodId === undefined ? [] : [{ id: methodId, name: "Scripted login" }],
    };
  }

  #authenticate(params: unknown): unknown {
    const isKnown = readString(params, "methodId") === this.#script?.start.authenticationMethod;
    if (!isKnown) throw new RpcError(-32_602, "unknown authentication method");
    this.#isAuthenticated = true;
    return {};
  }

  #openSession(params: unknown, resumedId: string | null): unknown {
    const needsLogin = this.#script?.start.authenticationMethod !== undefined && !this.#isAuthenticated;
    if (needsLogin) throw new RpcError(-32_000, "Authentication required");
    if (resumedId !== null && !resumedId.startsWith(SESSION_PREFIX)) {
      throw new RpcError(-32_002, "Resource not found", { sessionId: resumedId });
    }
    const number = this.#sessions.size + 1;
    const id = resumedId ?? `${SESSION_PREFIX}${process.env["CANOPY_SESSION_ID"] ?? process.pid}-${number}`;
    const cwd = readString(params, "cwd");
    const session: ScriptedSession = {
      id,
      cwd,
      cost: { usd: null },
      model: "scripted-1",
      toolCount: 0,
      turn: null,
    };
    this.#sessions.set(id, session);
    return { sessionId: id, configOptions: [this.#modelOption(session)] };
  }

  #modelOption(session: ScriptedSession): unknown {
    const options = MODELS.map((value) => ({ value, name: value }));
    return {
      id: "model",
      name: "Model",
      category: "model",
      type: "select",
      currentValue: session.model,
      options,
    };
  }

  #setModel(params: unknown): unknown {
    const session = this.#session(params);
    const model = readString(params, "value");
    if (!MODELS.includes(model)) throw new RpcError(-32_602, `unknown model ${model}`);
    session.model = model;
    return { configOptions: [this.#modelOption(session)] };
  }

  #session(params: unknown): ScriptedSession {
    const sessionId = readString(params, "sessionId");
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw new RpcError(-32_002, "Resource not found", { sessionId });
    return session;
  }

  async #prompt(params: unknown): Promise<unknown> {
    const session = this.#session(params);
    if (session.turn !== null) throw new RpcError(-32_600, "a turn is running already");
    const turn = new AbortController();
    session.turn = turn;
    const usage = { inputTokens: 0, outputTokens: 0, cachedReadTokens: 0, cachedWriteTokens: 0 };
    const { script, steps } = this.#choose(readPrompt(params));
    const stage: Stage = {
      connection: this.#connection,
      sessionId: session.id,
      cwd: session.cwd,
      signal: turn.signal,
      chunkMs: script?.chunkMs ?? 0,
      usage,
      cost: session.cost,
      nextToolId: () => {
        session.toolCount += 1;
        return `call-${session.toolCount}`;
      },
    };
    try {
      const stop = await playSteps(stage, steps);
      return { stopReason: stop?.stopReason ?? "end_turn", usage };
    } catch (error) {
      if (turn.signal.aborted) return { stopReason: "cancelled", usage };
      throw error;
    } finally {
      session.turn = null;
    }
  }

  #choose(prompt: string): { script: Script | null; steps: readonly ScriptStep[] } {
    const block = findScriptBlock(prompt);
    const script = block === null ? this.#script : parseScript(block, "the script in the prompt");
    const context: PromptContext = {
      prompt,
      title: process.env["CANOPY_TASK_TITLE"] ?? findTitle(prompt),
      labels: readLabels(),
      attemptNumber: readAttemptNumber(prompt),
    };
    const steps = script === null ? null : chooseSteps(script, context);
    return { script, steps: steps ?? createDefaultSteps(context) };
  }
}

async function main(): Promise<void> {
  const [flag, file] = process.argv.slice(2);
  if (flag === "--version") {
    process.stdout.write(`canopy-scripted-agent ${CANOPY_VERSION}\n`);
    return;
  }
  if (flag !== undefined && (flag !== "--script" || file === undefined)) {
    process.stderr.write("usage: canopy-scripted-agent [--script FILE | --version]\n");
    process.exit(2);
  }
  const script = file === undefined ? null : parseScript(await readFile(file, "utf8"), file);
  await new ScriptedAgent(script).serve();
  process.exit(process.exitCode ?? 0);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`canopy-scripted-agent: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
