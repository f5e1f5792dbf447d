import type { AgentPrepareSpec } from "../agent-driver.ts";

/** Codex's app-server takes none of these from its environment; the first that is there is told to it. */
const KEY_NAMES = ["CODEX_API_KEY", "OPENAI_API_KEY"];
const ADDRESS_NAME = "OPENAI_BASE_URL";

/** How codex gets the key that a person named for it. */
export interface CodexKeyPlan {
  /** Told by `account/login/start`; null for a login of codex's own, or a provider of its configuration. */
  readonly key: string | null;
  /** The environment without it: what is not there cannot be read from `/proc/PID/environ`. */
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

/**
 * Codex keeps the key in its memory only. `args` are the person's own: a variable that they name, such as a provider's `env_key`, stays in
 * the environment, for codex reads it there.
 */
export function planCodexKey(
  spec: Pick<AgentPrepareSpec, "env" | "secretNames">,
  args: readonly string[],
): CodexKeyPlan {
  const names = KEY_NAMES.filter(
    (name) =>
      (spec.secretNames === undefined || spec.secretNames.includes(name)) &&
      (spec.env[name] ?? "") !== "" &&
      !args.some((arg) => arg.includes(name)),
  );
  const [first] = names;
  if (first === undefined) return { key: null, env: spec.env, args: [] };
  const env = Object.fromEntries(Object.entries(spec.env).filter(([name]) => !names.includes(name)));
  const address = spec.env[ADDRESS_NAME];
  const settings = [
    'cli_auth_credentials_store="ephemeral"',
    ...(address === undefined ? [] : [`openai_base_url=${JSON.stringify(address)}`]),
  ];
  return { key: spec.env[first] ?? null, env, args: settings.flatMap((setting) => ["-c", setting]) };
}
