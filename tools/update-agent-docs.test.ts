import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fillAgentDocs } from "./update-agent-docs.ts";

test("docs/agents.md has the drivers' own words (mend with: node tools/update-agent-docs.ts)", () => {
  const text = readFileSync(new URL("../docs/agents.md", import.meta.url), "utf8");
  expect(text).toBe(fillAgentDocs(text));
});
