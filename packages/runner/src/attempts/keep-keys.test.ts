import { projectConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { keepKeys } from "./keep-keys.ts";

const ENVIRONMENT = { ANTHROPIC_API_KEY: "secret", OPENAI_API_KEY: "other", MINE: "1", UNNAMED: "2" };
const NAMED = { MINE: "1", ANTHROPIC_API_KEY: "secret" };

test("an agent gets what is named for it, and with the proxy no key, however it was named", () => {
  expect(keepKeys(projectConfigSchema.parse({}), NAMED, ENVIRONMENT)).toEqual({
    given: NAMED,
    shown: NAMED,
    inherited: [],
  });
  const byProxy = projectConfigSchema.parse({
    sandbox: { credentials: "proxy" },
    workspace: { env: ["OPENAI_API_KEY", "MINE"] },
  });
  expect(keepKeys(byProxy, NAMED, ENVIRONMENT)).toEqual({
    given: { MINE: "1", ANTHROPIC_API_KEY: "secret", OPENAI_API_KEY: "other" },
    shown: {
      MINE: "1",
      ANTHROPIC_API_KEY: "kept-by-canopy",
      ANTHROPIC_BASE_URL: "http://127.0.0.1:3128/.canopy/anthropic",
      OPENAI_API_KEY: "kept-by-canopy",
      OPENAI_BASE_URL: "http://127.0.0.1:3128/.canopy/openai",
    },
    inherited: ["MINE"],
  });
});
