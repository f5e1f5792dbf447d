import { readdir } from "node:fs/promises";
import { createModelScript } from "@canopy/agents";
import type { AgentSession, AgentStartSpec, ModelStep } from "@canopy/agents";
import type { AgentEvent } from "@canopy/protocol";
import { expect, test } from "vitest";
import { findEventFaults } from "./check-events.ts";
import type { EventCollector } from "./collect-events.ts";
import type { RealAgentName } from "./real-agents.ts";

/** What is needed of a bench of real agents here. */
export interface SubAgentBench {
  readonly start: (overrides: Partial<AgentStartSpec>) => Promise<{
    readonly cwd: string;
    readonly session: AgentSession;
    readonly collector: EventCollector;
  }>;
}

type Asked = Extract<AgentEvent, { type: "permission.asked" }>;

/** How each agent's model has it start an agent below its own. Claude's and codex's go on beside the conversation. */
const CALLS: Readonly<Record<RealAgentName, (prompt: string) => ModelStep>> = {
  claude: (prompt) => ({
    tool: "Agent",
    args: { description: "Child's work", prompt, subagent_type: "general-purpose" },
  }),
  codex: (prompt) => ({ tool: "spawn_agent", args: { message: prompt } }),
  opencode: (prompt) => ({
    tool: "task",
    args: { description: "Child's work", prompt, subagent_type: "general" },
  }),
  gemini: (prompt) => ({ tool: "invoke_agent", args: { agent_name: "generalist", prompt } }),
};

/** A prompt that starts an agent, which runs a command. */
function askChild(name: RealAgentName, command: string): string {
  const steps = createModelScript([{ tool: "bash", args: { command } }, { text: "child is done" }], "base64");
  return `Go on. ${createModelScript([CALLS[name](`Child's work\n${steps}`), { text: "root is done" }], "base64")}`;
}

function askedOf(events: readonly AgentEvent[]): Asked[] {
  return events.filter((event) => event.type === "permission.asked");
}

/** An agent's agent asks through the session: who it is, and whatever is answered, it is over before the turn is. */
export function testSubAgents(name: RealAgentName, bench: () => SubAgentBench): void {
  test("what an agent below asks comes through the session, says who asks, and is answered, on a cancel too", async () => {
    const { cwd, session, collector } = await bench().start({ permissionPolicy: "ask" });
    const ask = async (file: string): Promise<{ turn: ReturnType<AgentSession["prompt"]>; asked: Asked }> => {
      const before = askedOf(collector.events).length;
      const turn = session.prompt(askChild(name, `touch ${file}`));
      const event = await collector.waitFor(
        (each) => each.type === "permission.asked" && askedOf(collector.events).indexOf(each) === before,
      );
      if (event.type !== "permission.asked") throw new Error("nothing was asked");
      return { turn, asked: event };
    };
    const allowed = await ask("allowed.txt");
    const allow = allowed.asked.options.find((option) => option.kind === "allow_once")?.optionId ?? "";
    await session.answerPermission(allowed.asked.requestId, allow, "ada");
    expect([(await allowed.turn).reason, await readdir(cwd)]).toEqual(["end_turn", ["allowed.txt"]]);
    const refused = await ask("refused.txt");
    await session.answerPermission(refused.asked.requestId, null, "ada");
    expect((await refused.turn).reason).toBe("end_turn");
    const cancelled = await ask("cancelled.txt");
    await session.cancel();
    expect([(await cancelled.turn).reason, (await cancelled.turn).error]).toEqual(["cancelled", null]);
    const asked = [allowed, refused, cancelled].map((each) => each.asked);
    expect(asked.map(({ subAgent }) => subAgent?.name.includes("Child's work"))).toEqual([true, true, true]);
    expect(new Set(asked.map(({ subAgent }) => subAgent?.subAgentId)).size).toBe(3);
    const by = collector.events.flatMap((event) => (event.type === "permission.answered" ? [event.by] : []));
    expect(by).toEqual(["ada", "ada", "cancel"]);
    const after = await session.prompt(`Say it. ${createModelScript([{ text: "still here" }])}`);
    expect([after.reason, after.lastMessage]).toEqual(["end_turn", "still here"]);
    expect(await readdir(cwd)).toEqual(["allowed.txt"]);
    await session.close();
    await collector.ended;
    expect(findEventFaults(collector.events)).toEqual([]);
    const ended = collector.events.flatMap((event) =>
      event.type === "tool.ended" && event.tool.title.includes("touch allowed.txt") ? [event.tool.state] : [],
    );
    expect(ended).toEqual(["completed"]);
  });
}

/** An agent that may start none: it is told so, and nothing waits. */
export function testRefusedSubAgents(name: RealAgentName, bench: () => SubAgentBench): void {
  test("an agent below may not be started: that is told, and the turn goes on", async () => {
    const { cwd, session, collector } = await bench().start({ permissionPolicy: "ask" });
    const result = await session.prompt(askChild(name, "touch never.txt"));
    expect([result.reason, result.lastMessage, await readdir(cwd)]).toEqual(["end_turn", "root is done", []]);
    const told = collector.events.flatMap((event) =>
      event.type === "tool.ended" ? [event.tool.output] : [],
    );
    expect(told).toEqual([expect.stringContaining("denied by policy")]);
    expect(askedOf(collector.events)).toEqual([]);
    await session.close();
    await collector.ended;
  });
}
