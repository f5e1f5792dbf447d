import { writeFileSync } from "node:fs";
import path from "node:path";
import type { AgentErrorKind } from "@canopy/protocol";
import { createSayPrompt, createScenarioScript, describeDriverConformance } from "@canopy/testkit";
import type { ConformanceScenario } from "@canopy/testkit";
import { createAcpDriver } from "./acp/acp-driver.ts";
import type { SessionGraces } from "./session/process-session.ts";
import { createCommandDriver } from "./command/command-driver.ts";
import { createScriptedCommand, createScriptedDriver } from "./scripted/scripted-driver.ts";

const GRACES: SessionGraces = { cancelMs: 300, endInputMs: 300, stopMs: 300 };

const ERROR_KINDS: readonly AgentErrorKind[] = [
  "rate-limit",
  "overload",
  "authentication",
  "bad-request",
  "context-full",
  "refusal",
  "timeout",
  "protocol",
  "unknown",
];

function writeScript(scenario: ConformanceScenario, folder: string): string {
  const file = path.join(folder, "script.json");
  writeFileSync(file, createScenarioScript(scenario));
  return file;
}

const COMMANDS: Readonly<Record<string, string>> = {
  "say-prompt": "cat",
  edit: "cat >/dev/null; echo made > made.txt",
  "stream-then-hang": "echo one; cat >/dev/null; sleep 600",
  "tool-then-hang": "echo one; sleep 600 & wait",
  deaf: "trap '' TERM INT; echo I do not listen; while :; do sleep 600; done",
  crash: "echo about to; echo boom >&2; exit 3",
  flood: `yes ${"x".repeat(99)} | head -n 100000`,
  orphan: "setsid sleep 600 & echo started",
  missing: "no-such-program-here --flag",
  "error:rate-limit": "echo slow down >&2; exit 75",
};

describeDriverConformance("acp", {
  createDriver: (scenario, folder) =>
    createAcpDriver({
      name: "some-acp-agent",
      command:
        scenario === "missing"
          ? ["no-such-program-here"]
          : createScriptedCommand(writeScript(scenario, folder)),
      graces: GRACES,
    }),
  createPrompt: createSayPrompt,
  hasTools: true,
  hasPermissions: true,
  errorKinds: ERROR_KINDS,
});

describeDriverConformance("scripted", {
  createDriver: (scenario, folder) =>
    scenario === "missing"
      ? createAcpDriver({ name: "scripted", command: ["sh", "-c", "exec no-such-program-here"] })
      : createScriptedDriver({ scriptFile: writeScript(scenario, folder), graces: GRACES }),
  createPrompt: createSayPrompt,
  hasTools: true,
  hasPermissions: true,
  errorKinds: ERROR_KINDS,
});

describeDriverConformance("command", {
  createDriver: (scenario) => {
    const command = COMMANDS[scenario] ?? "exit 1";
    return createCommandDriver({ name: "my-command", command, stopMs: 300 });
  },
  createPrompt: (text) => text,
  hasTools: false,
  hasPermissions: false,
  errorKinds: ["rate-limit"],
});
