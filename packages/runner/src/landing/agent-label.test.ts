import { expect, test } from "vitest";
import { agentLabel } from "./agent-label.ts";

test("an agent's label names it without its command line", () => {
  expect(
    [
      "claude",
      "command:KEY=secret ./agent --token x",
      "acp:/opt/bin/gemini --acp",
      "scripted:demo.json",
      "acp: ",
    ].map((agent) => agentLabel(agent)),
  ).toEqual(["claude", "command", "gemini", "scripted", "acp"]);
});
