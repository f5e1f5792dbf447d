import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { z } from "zod";
import { mark } from "../workspace-view.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import { createBlockList, expandHome, isBlocked } from "../sandbox/block-list.ts";
import type { BlockList } from "../sandbox/block-list.ts";
import { isWithin } from "../sandbox/blocked-paths.ts";
import { createUnavailable } from "../sandbox/sandbox-unavailable.ts";
import { formatLimit } from "../sandbox/resource-group.ts";
import type { ProvidedEnclosure, ProviderRequest, SandboxProvider } from "../sandbox/sandbox-provider.ts";
import { runInContainer, startInContainer } from "./container-process.ts";
import type { EngineClient } from "./engine-client.ts";
import { createEngineError } from "./engine-client.ts";
import { findEngine } from "./find-engine.ts";

const SYSTEM = /^\/(usr|bin|sbin|lib|lib32|lib64)(\/|$)/;
const LABEL = "canopy.workspace";
const FIX =
  "Install Docker or Podman and start it (systemctl start docker; systemctl --user start podman.socket), or name its socket in [sandbox.container] engine.";

const createdSchema = z.object({ Id: z.string() });
const listedSchema = z.array(z.object({ Id: z.string() }));
const stateSchema = z.object({ State: z.object({ OOMKilled: z.boolean().default(false) }) });

async function requireEngine(socketPath: string | null): Promise<EngineClient> {
  const { engine, tried } = await findEngine(socketPath);
  if (engine !== null) return engine;
  throw createUnavailable(`no container engine answers (${tried.join("; ")}). ${FIX}`);
}

/** The paths that are shown. What contains something blocked cannot be shown in part, so it is an error. */
async function listBinds({ layout, settings, state }: ProviderRequest, list: BlockList): Promise<string[]> {
  const own = [layout.path, layout.homeDirectory, layout.tmpDirectory].map((path) => `${path}:${path}`);
  const binds = [...own];
  for (const [paths, mode] of [
    [settings.readOnly, "ro"],
    [settings.caches, "rw"],
  ] as const) {
    for (const path of paths.map((each) => expandHome(each, list.home))) {
      const real = await realpath(path).catch(() => null);
      if (real === null || isBlocked(list, real) || isBlocked(list, path)) continue;
      // The image has its own; the host's may not even run there.
      if (SYSTEM.test(real)) continue;
      if ([...list.paths, ...state].some((hidden) => isWithin(hidden, real)))
        throw new CanopyError(
          "config.invalid",
          `[sandbox] may not show ${path} in a container: secrets are in it`,
          {
            hint: "Name a folder further down.",
          },
        );
      if (/[:,]/.test(real + path)) continue;
      binds.push(`${real}:${path}:${mode}`);
    }
  }
  return [...new Set(binds)];
}

function describeContainer(request: ProviderRequest, image: string, binds: readonly string[]): object {
  const { layout, settings } = request;
  const { memoryBytes, processCount, cpuCount, openFileCount, diskBytes } = settings.limits;
  const limit = (name: string, value: number | undefined): object[] =>
    value === undefined ? [] : [{ Name: name, Soft: value, Hard: value }];
  return {
    Image: image,
    // Waits for ever, and reaps what lost its parent; what runs is started beside it.
    Entrypoint: ["/bin/sh", "-c", "while :; do sleep 3600 & wait $!; done"],
    User: userOf(),
    WorkingDir: layout.path,
    Labels: { [LABEL]: layout.workspaceId },
    HostConfig: {
      Binds: binds,
      NetworkMode: settings.network === "deny" ? "none" : "bridge",
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "size=256m,mode=1777", "/run": "size=1m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      Memory: memoryBytes ?? 0,
      MemorySwap: memoryBytes ?? 0,
      PidsLimit: processCount ?? 0,
      NanoCpus: cpuCount === undefined ? 0 : Math.round(cpuCount * 1e9),
      Ulimits: [...limit("nofile", openFileCount), ...limit("fsize", diskBytes), ...limit("core", 0)],
    },
  };
}

function userOf(): string {
  return `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
}

async function startContainer(engine: EngineClient, name: string, description: object): Promise<string> {
  const made = await engine.ask("POST", `/containers/create?name=${encodeURIComponent(name)}`, description);
  const created = createdSchema.safeParse(made.value);
  if (made.status === 404)
    throw createUnavailable(`${createEngineError("the image is not there", made).message}; pull it first`);
  if (made.status !== 201 || !created.success)
    throw createUnavailable(createEngineError("no container could be made", made).message);
  const { Id: id } = created.data;
  const started = await engine.ask("POST", `/containers/${id}/start`);
  if (started.status === 204 || started.status === 304) return id;
  await removeContainer(engine, id);
  throw createUnavailable(createEngineError("the container did not start", started).message);
}

async function removeContainer(engine: EngineClient, id: string): Promise<void> {
  const answer = await engine.ask("DELETE", `/containers/${id}?force=true&v=true`);
  if (answer.status >= 400 && answer.status !== 404)
    throw createEngineError("a container could not be removed", answer);
}

function createContainerView(request: ProviderRequest, engine: EngineClient, id: string): WorkspaceView {
  const { layout, view } = request;
  const live = new Set<string>();
  const killAll = async (): Promise<void> => {
    // From inside, -1 is everybody but process 1 and the sender.
    const command = ["/bin/sh", "-c", "kill -9 -1"] as const;
    await runInContainer({ engine, containerId: id, command, cwd: "/", env: {}, user: userOf() });
  };
  return {
    ...view,
    async start(command, cwd, env) {
      const { marker, env: marked } = mark(layout.workspaceId, env);
      const pidFile = join(layout.tmpDirectory, `.canopy-${randomBytes(6).toString("hex")}`);
      // PATH is the image's own.
      const { PATH: _path, ...rest } = marked;
      live.add(marker);
      const killTree = async (): Promise<void> => {
        if ([...live].every((other) => other === marker)) await killAll();
        live.delete(marker);
      };
      const process = { engine, containerId: id, command, cwd, env: rest, pidFile, user: userOf(), killTree };
      const handle = await startInContainer(process).catch((error: unknown) => {
        live.delete(marker);
        throw error;
      });
      void handle.exited.then(() => live.delete(marker));
      return handle;
    },
    killAll,
    async whilePaused(work) {
      await engine.ask("POST", `/containers/${id}/pause`);
      try {
        return await work();
      } finally {
        await engine.ask("POST", `/containers/${id}/unpause`);
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await removeContainer(engine, id);
      await view[Symbol.asyncDispose]();
    },
  };
}

/** Runs workspaces' processes in containers of Docker or Podman. `socketPath` null: wherever one listens. */
export function createContainerProvider(image: string | null, socketPath: string | null): SandboxProvider {
  return {
    name: "container",
    async probe() {
      const { engine, tried } = await findEngine(socketPath);
      if (engine !== null) return { isAvailable: true, reason: null, fix: null };
      return { isAvailable: false, reason: `no container engine answers (${tried.join("; ")})`, fix: FIX };
    },
    async open(request): Promise<ProvidedEnclosure> {
      const { layout, settings } = request;
      if (image === null)
        throw new CanopyError(
          "config.invalid",
          '[sandbox] level = "container" needs [sandbox.container] image',
          {
            hint: "Name an image that has the project's tools and /bin/sh.",
          },
        );
      if (settings.network === "allowlist")
        throw createUnavailable(
          'in a container there is no allow-list: choose [sandbox] network = "deny" or "allow"',
        );
      const engine = await requireEngine(socketPath);
      const list = await createBlockList(settings);
      const binds = await listBinds(request, list);
      const name = `canopy-${layout.workspaceId}-${randomBytes(3).toString("hex")}`;
      const id = await startContainer(engine, name, describeContainer(request, image, binds));
      return {
        view: createContainerView(request, engine, id),
        async describeHit() {
          const answer = await engine.ask("GET", `/containers/${id}/json`).catch(() => null);
          const state = stateSchema.safeParse(answer?.value);
          const { memoryBytes } = settings.limits;
          const isHit = state.success && state.data.State.OOMKilled && memoryBytes !== undefined;
          return isHit ? `memory limit ${formatLimit(memoryBytes)}` : null;
        },
      };
    },
    async removeOf(workspaceId): Promise<void> {
      const { engine } = await findEngine(socketPath);
      if (engine === null) return;
      const filters = encodeURIComponent(JSON.stringify({ label: [`${LABEL}=${workspaceId}`] }));
      const answer = await engine.ask("GET", `/containers/json?all=true&filters=${filters}`);
      const listed = listedSchema.safeParse(answer.value);
      for (const { Id: id } of listed.success ? listed.data : []) await removeContainer(engine, id);
    },
  };
}
