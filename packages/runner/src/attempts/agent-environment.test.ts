import { projectConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { createAgentEnvironment } from "./agent-environment.ts";

const ENVIRONMENT = { ANTHROPIC_API_KEY: "secret", OPENAI_API_KEY: "other", MINE: "1", UNNAMED: "2" };
const AGENT = { environmentNames: ["MINE"], credentialNames: ["ANTHROPIC_API_KEY"] };

test("an agent gets what is named for it, and with the proxy no key, however it was named", () => {
  const byEnvironment = projectConfigSchema.parse({});
  expect(createAgentEnvironment(byEnvironment, AGENT, ENVIRONMENT)).toEqual({
    given: { MINE: "1", ANTHROPIC_API_KEY: "secret" },
    shown: { MINE: "1", ANTHROPIC_API_KEY: "secret" },
    inherited: [],
  });
  const byProxy = projectConfigSchema.parse({
    sandbox: { credentials: "proxy" },
    workspace: { env: ["OPENAI_API_KEY", "MINE"] },
  });
  const { given, shown, inherited } = createAgentEnvironment(byProxy, AGENT, ENVIRONMENT);
  expect(given).toEqual({ MINE: "1", ANTHROPIC_API_KEY: "secret", OPENAI_API_KEY: "other" });
  expect(shown).toEqual({
    MINE: "1",
    ANTHROPIC_API_KEY: "kept-by-canopy",
    ANTHROPIC_BASE_URL: "http://127.0.0.1:3128/.canopy/anthropic",
    OPENAI_API_KEY: "kept-by-canopy",
    OPENAI_BASE_URL: "http://127.0.0.1:3128/.canopy/openai",
  });
  expect(inherited).toEqual(["MINE"]);
});
