import { sandboxConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { createSandboxSettings } from "./create-sandbox-settings.ts";
import type { SandboxSubject } from "./create-sandbox-settings.ts";

const CONFIG = sandboxConfigSchema.parse({
  allow: ["mine.test"],
  limits: { memory: "4 GB" },
  agents: { claude: { level: "process", allow: ["agent.test"] } },
  roles: { validation: { level: "none", network: "deny" } },
});

async function settle(role: SandboxSubject["role"], agent: string | null): Promise<unknown> {
  const subject = {
    config: CONFIG,
    role,
    agent,
    commandLine: ["/bin/sh -c '/no/such/file'"],
    readOnly: ["/objects"],
  };
  const { level, network, allow, readOnly, limits } = await createSandboxSettings(subject);
  return {
    level,
    network,
    limits,
    own: allow.filter((host) => host.endsWith(".test")),
    hasProvider: allow.includes("api.anthropic.com"),
    named: readOnly.filter((path) => ["/objects", "/bin/sh", "/no/such/file"].includes(path)),
  };
}

test("the role wins over the agent, and the agent over the project; providers are the agent's own", async () => {
  const common = { limits: { memoryBytes: 4 * 2 ** 30 }, named: ["/objects", "/bin/sh"] };
  expect([
    await settle("worker", "codex"),
    await settle("worker", "claude"),
    await settle("validation", null),
  ]).toEqual([
    { ...common, level: "sandbox", network: "allowlist", own: ["mine.test"], hasProvider: false },
    {
      ...common,
      level: "process",
      network: "allowlist",
      own: ["mine.test", "agent.test"],
      hasProvider: true,
    },
    { ...common, level: "none", network: "deny", own: ["mine.test"], hasProvider: false },
  ]);
});

test("keys go to the proxy when it is to add them, and where there is none that is an error", async () => {
  const ask = (network: "allowlist" | "allow", credentials: "proxy" | "environment"): Promise<unknown> =>
    createSandboxSettings({
      config: sandboxConfigSchema.parse({ network, credentials }),
      role: "worker",
      agent: "claude",
      environment: { ANTHROPIC_API_KEY: "secret" },
      commandLine: [],
      readOnly: [],
    }).then((settings) => settings.credentials);
  expect(await ask("allowlist", "environment")).toEqual([]);
  expect(await ask("allowlist", "proxy")).toEqual([
    { name: "anthropic", header: "x-api-key", value: "secret", origin: "https://api.anthropic.com" },
  ]);
  await expect(ask("allow", "proxy")).rejects.toMatchObject({ code: "config.invalid" });
});
