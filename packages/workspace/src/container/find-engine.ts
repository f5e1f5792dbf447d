import { join } from "node:path";
import type { EngineClient } from "./engine-client.ts";
import { createEngineClient } from "./engine-client.ts";

/** An engine that answered, or the sockets that were tried, each with why not. */
export type EngineSearch =
  | { readonly engine: EngineClient; readonly tried: null }
  | { readonly engine: null; readonly tried: readonly string[] };

function candidates(env: Readonly<Record<string, string | undefined>>): string[] {
  const [, named] = /^unix:\/\/(\/.+)$/.exec(env["DOCKER_HOST"] ?? env["CONTAINER_HOST"] ?? "") ?? [];
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    ...(named === undefined ? [] : [named]),
    "/var/run/docker.sock",
    ...(runtime === undefined ? [] : [join(runtime, "docker.sock"), join(runtime, "podman", "podman.sock")]),
    "/run/podman/podman.sock",
  ];
}

async function whyNot(engine: EngineClient): Promise<string | null> {
  try {
    const { status } = await engine.ask("GET", "/_ping");
    return status === 200 ? null : `answered ${status}`;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return code === "ENOENT" ? "not there" : code;
  }
}

/** Finds a container engine: at the socket that is named, else where Docker and Podman listen. */
export async function findEngine(
  socketPath: string | null,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<EngineSearch> {
  const tried: string[] = [];
  for (const path of socketPath === null ? candidates(env) : [socketPath]) {
    const engine = createEngineClient(path);
    const reason = await whyNot(engine);
    if (reason === null) return { engine, tried: null };
    tried.push(`${path}: ${reason}`);
  }
  return { engine: null, tried };
}
