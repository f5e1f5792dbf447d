import type { ConformanceScenario } from "./driver-conformance.ts";

const DEAF = { hang: { ignoresCancel: true, ignoresSignals: true } };

const STEPS: Readonly<Record<string, readonly unknown[]>> = {
  "say-prompt": [],
  edit: [{ write: { path: "made.txt", content: "made\n" } }],
  permission: [
    {
      permission: {
        title: "touch a file",
        onAllow: [{ write: { path: "allowed.txt", content: "" } }],
        onDeny: [{ write: { path: "denied.txt", content: "" } }],
      },
    },
  ],
  "stream-then-hang": [{ say: "one two three" }, { hang: true }],
  "tool-then-hang": [{ shell: "sleep 600" }, { say: "never said" }],
  deaf: [{ say: "I do not listen" }, DEAF],
  crash: [{ say: "about to" }, { stderr: "boom" }, { crash: { exitCode: 3 } }],
  flood: [{ flood: { lines: 100_000, bytesPerLine: 100 } }],
  orphan: [{ spawnOrphan: { seconds: 600 } }],
};

/** The script that makes the scripted agent play a conformance scenario, as text. */
export function createScenarioScript(scenario: ConformanceScenario): string {
  const kind = scenario.startsWith("error:") ? scenario.slice("error:".length) : null;
  const wait = kind === "rate-limit" ? { retryAfterMs: 1500 } : {};
  const steps = kind === null ? STEPS[scenario] : [{ say: "working" }, { error: { kind, ...wait } }];
  return JSON.stringify({ version: 1, steps: steps ?? [] });
}

/** A prompt that makes the scripted agent say the text. */
export function createSayPrompt(text: string): string {
  return `\`\`\`canopy-script\n${JSON.stringify({ version: 1, steps: [{ say: text }] })}\n\`\`\`\n`;
}
