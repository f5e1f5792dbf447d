import { expect, test } from "vitest";
import { planCodexKey } from "./plan-codex-key.ts";

const IN_MEMORY = ["-c", 'cli_auth_credentials_store="ephemeral"'];

test("a key that was named for codex leaves the environment, and its address becomes a setting", () => {
  const env = { PATH: "/bin", OPENAI_API_KEY: "sk-1", OPENAI_BASE_URL: "http://127.0.0.1:1/v1" };
  expect(planCodexKey({ env, secretNames: ["OPENAI_API_KEY"] }, [])).toEqual({
    key: "sk-1",
    env: { PATH: "/bin", OPENAI_BASE_URL: "http://127.0.0.1:1/v1" },
    args: [...IN_MEMORY, "-c", 'openai_base_url="http://127.0.0.1:1/v1"'],
  });
  const both = { OPENAI_API_KEY: "sk-1", CODEX_API_KEY: "sk-2" };
  expect(planCodexKey({ env: both }, [])).toEqual({ key: "sk-2", env: {}, args: IN_MEMORY });
});

test("a key for tools, and one that a provider of the configuration reads, stay where they are", () => {
  const env = { OPENAI_API_KEY: "sk-1" };
  const unchanged = { key: null, env, args: [] };
  expect(planCodexKey({ env, secretNames: ["OTHER"] }, [])).toEqual(unchanged);
  expect(planCodexKey({ env }, ["-c", 'model_providers.x={env_key="OPENAI_API_KEY"}'])).toEqual(unchanged);
});
