import { readFileSync, writeFileSync } from "node:fs";
import { CAPABILITY_TEXTS, capabilityWord, resolveAgent } from "@canopy/agents";
import type { AgentCapabilities } from "@canopy/agents";

/** The agents of the tables, as people name them; `acp:` and `command:` stand for all of their kind. */
const AGENTS = ["claude", "codex", "opencode", "gemini", "acp:AGENT", "command:COMMAND"] as const;

function capabilitiesOf(name: string): AgentCapabilities {
  return resolveAgent(name, {}, "/").driver.describe().capabilities;
}

function levelTable(): string[] {
  const columns = AGENTS.map((name) => ({ name, capabilities: capabilitiesOf(name) }));
  const lines = [
    `| | ${columns.map(({ name }) => `\`${name}\``).join(" | ")} |`,
    `| --- |${columns.map(() => " --- |").join("")}`,
  ];
  let capability: keyof AgentCapabilities;
  for (capability in CAPABILITY_TEXTS) {
    const words: string[] = [];
    for (const { capabilities } of columns) words.push(capabilityWord(capabilities[capability]));
    lines.push(`| ${capability} | ${words.join(" | ")} |`);
  }
  return lines;
}

function textTable(): string[] {
  const lines = ["| | what it is | emulated | refused |", "| --- | --- | --- | --- |"];
  for (const [name, { title, emulated, refused }] of Object.entries(CAPABILITY_TEXTS))
    lines.push(`| ${name} | ${title} | ${emulated ?? "-"} | ${refused ?? "-"} |`);
  return lines;
}

function replaceBetween(text: string, name: string, lines: readonly string[]): string {
  const begin = `<!-- ${name}:begin -->\n`;
  const start = text.indexOf(begin) + begin.length;
  const end = text.indexOf(`<!-- ${name}:end -->`);
  return `${text.slice(0, start)}${lines.join("\n")}\n${text.slice(end)}`;
}

/** Fills the tables of docs/agents.md from what the drivers say of themselves. */
export function fillAgentDocs(text: string): string {
  return replaceBetween(replaceBetween(text, "levels", levelTable()), "texts", textTable());
}

if (import.meta.main) {
  const file = new URL("../docs/agents.md", import.meta.url);
  writeFileSync(file, fillAgentDocs(readFileSync(file, "utf8")));
}
