import { z } from "zod";

/** One ref that a push or a ref transaction changes. An id of zeros is none. */
export interface RefUpdate {
  readonly ref: string;
  readonly oldId: string;
  readonly newId: string;
}

/** What a git hook hands to the daemon. */
export interface GitHookCall {
  /** `pre-commit`, `pre-push`, `reference-transaction`. */
  readonly hook: string;
  readonly args: readonly string[];
  /** The work tree's top, where git runs its hooks. */
  readonly cwd: string;
  /** Those of the environment that say which repository, index and session this is. */
  readonly env: Readonly<Record<string, string>>;
  /** What a push or a transaction changes; empty for other hooks. */
  readonly updates: readonly RefUpdate[];
}

const payloadSchema = z.looseObject({
  hook: z.string().min(1),
  args: z.array(z.string()).catch([]).default([]),
  stdin: z.string().catch("").default(""),
  cwd: z.string().min(1),
  env: z.record(z.string(), z.string()).catch({}).default({}),
});

const MAX_UPDATES = 10_000;

/** Reads what the command client sends for a git hook. Null when it is no such payload. Never throws. */
export function parseGitHookCall(payload: unknown): GitHookCall | null {
  const parsed = payloadSchema.safeParse(typeof payload === "string" ? parseJson(payload) : payload);
  if (!parsed.success) return null;
  const { hook, args, stdin, cwd, env } = parsed.data;
  return { hook, args, cwd, env, updates: readUpdates(hook, stdin) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Lines of `pre-push` are `LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID`, those of a transaction `OLD-ID NEW-ID REF`. */
function readUpdates(hook: string, stdin: string): RefUpdate[] {
  const updates: RefUpdate[] = [];
  for (const line of stdin.split("\n").slice(0, MAX_UPDATES)) {
    const [first = "", second = "", third = "", fourth = ""] = line.split(" ");
    if (hook === "pre-push" && fourth !== "") updates.push({ ref: third, oldId: fourth, newId: second });
    else if (hook === "reference-transaction" && third !== "")
      updates.push({ ref: third, oldId: first, newId: second });
  }
  return updates;
}
