import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isCanopyError } from "@canopy/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LOGIN_FILES, findLogin, readLogin } from "./agent-logins.ts";
import { resolveAgent } from "./resolve-agent.ts";

let home = "";
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "canopy-login-"));
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

async function put(path: string): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), "{}");
}

/** What an agent of a configuration is given, or what it throws. */
async function give(
  name: string,
  login: boolean | undefined,
  env: Record<string, string> = {},
): Promise<unknown> {
  const agent = resolveAgent(name, { [name]: { login } }, "/");
  try {
    return await readLogin(agent, { HOME: home, ...env });
  } catch (error) {
    return isCanopyError(error) ? [error.code, error.message] : error;
  }
}

test("an agent is given a login only when that was said, and then where it looks for it", async () => {
  await put(".claude/.credentials.json");
  await put("elsewhere/auth.json");
  await put(".gemini/google_accounts.json");
  expect([
    await give("claude", undefined),
    await give("claude", false),
    await give("claude", true),
    await give("codex", true),
    await give("codex", true, { CODEX_HOME: join(home, "elsewhere") }),
    // Accounts without credentials are no login.
    await give("gemini", true),
    await give("goose", true),
  ]).toEqual([
    [],
    [],
    [{ from: join(home, ".claude/.credentials.json"), to: ".claude/.credentials.json" }],
    [
      "config.invalid",
      `[agents.codex] login = true: you are not logged in, for there is no ${home}/.codex/auth.json`,
    ],
    [{ from: join(home, "elsewhere/auth.json"), to: ".codex/auth.json" }],
    [
      "config.invalid",
      `[agents.gemini] login = true: you are not logged in, for there is no ${home}/.gemini/oauth_creds.json`,
    ],
    ["config.invalid", "[agents.goose] login = true: Canopy does not know where goose keeps its login"],
  ]);
});

test("of a login of several files those are found that are there, once the first is", async () => {
  const found = async (): Promise<string[]> =>
    (await findLogin(LOGIN_FILES["gemini"] ?? [], { HOME: home })).map(({ to }) => to);
  await put(".gemini/oauth_creds.json");
  expect(await found()).toEqual([".gemini/oauth_creds.json"]);
  await put(".gemini/google_accounts.json");
  expect(await found()).toEqual([".gemini/oauth_creds.json", ".gemini/google_accounts.json"]);
});
