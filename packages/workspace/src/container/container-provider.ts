import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { z } from "zod";
import { mark } from "../workspace-view.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import { createBlockList } from "../sandbox/block-list.ts";
import { createUnavailable } from "../sandbox/sandbox-unavailable.ts";
import { formatLimit } from "../sandbox/resource-group.ts";
import type { SandboxLimits } from "../sandbox/sandbox-settings.ts";
import type { ProvidedEnclosure, ProviderRequest, SandboxProvider } from "../sandbox/sandbox-provider.ts";
import { startContainerEgress } from "./container-egress.ts";
import type { ContainerEgress } from "./container-egress.ts";
import { describeCounts, findCounts, readOwnRlimits } from "./container-limits.ts";
import { runInContainer, startInContainer } from "./container-process.ts";
import { describeContainer, describeUser, listBinds, WORKSPACE_LABEL } from "./describe-container.ts";
import type { FirstRlimit } from "./describe-container.ts";
import type { EngineClient } from "./engine-client.ts";
import { createEngineError } from "./engine-client.ts";
import { findEngine } from "./find-engine.ts";

const FIX =
  "Install Docker or Podman and start it (systemctl start docker; systemctl --user start podman.socket), or name its socket in [sandbox.container] engine.";

const createdSchema = z.object({ Id: z.string() });
const listedSchema = z.array(z.object({ Id: z.string() }));
const stateSchema = z.object({
  State: z.object({ OOMKilled: z.boolean().default(false), Pid: z.number().default(0) }),
});
const versionSchema = z.object({ Components: z.array(z.object({ Name: z.string() })).default([]) });

async function requireEngine(socketPath: string | null): Promise<EngineClient> {
  const { engine, tried } = await findEngine(socketPath);
  if (engine !== null) return engine;
  throw createUnavailable(`no container engine answers (${tried.join("; ")}). ${FIX}`);
}

/** Makes and starts a container; answers null when it was made but did not start, with why. Nothing is left of it then. */
async function tryContainer(
  engine: EngineClient,
  name: string,
  description: object,
): Promise<{ readonly id: string | null; readonly problem: CanopyError | null }> {
  const made = await engine.ask("POST", `/containers/create?name=${encodeURIComponent(name)}`, description);
  const created = createdSchema.safeParse(made.value);
  if (made.status === 404)
    throw createUnavailable(`${createEngineError("the image is not there", made).message}; pull it first`);
  if (made.status !== 201 || !created.success)
    throw createUnavailable(createEngineError("no container could be made", made).message);
  const { Id: id } = created.data;
  const started = await engine.ask("POST", `/containers/${id}/start`);
  if (started.status === 204 || started.status === 304) return { id, problem: null };
  await removeContainer(engine, id);
  return { id: null, problem: createEngineError("the container did not start", started) };
}

async function startContainer(
  engine: EngineClient,
  name: string,
  describe: (rlimits: readonly FirstRlimit[] | null) => object,
): Promise<string> {
  const first = await tryContainer(engine, name, describe(null));
  if (first.id !== null) return first.id;
  // It may have set higher rlimits than it may. Whatever else is wrong is wrong again.
  const second = await tryContainer(engine, name, describe(await readOwnRlimits()));
  if (second.id !== null) return second.id;
  throw createUnavailable((second.problem ?? first.problem)?.message ?? "the container did not start");
}

/** The first process of a container, and whether the container was ended for its memory. */
async function inspect(
  engine: EngineClient,
  id: string,
): Promise<{ readonly pid: number; readonly isOutOfMemory: boolean }> {
  const answer = await engine.ask("GET", `/containers/${id}/json`).catch(() => null);
  const parsed = stateSchema.safeParse(answer?.value);
  if (!parsed.success) return { pid: 0, isOutOfMemory: false };
  return { pid: parsed.data.State.Pid, isOutOfMemory: parsed.data.State.OOMKilled };
}

async function isPodman(engine: EngineClient): Promise<boolean> {
  const parsed = versionSchema.safeParse((await engine.ask("GET", "/version").catch(() => null))?.value);
  return parsed.success && parsed.data.Components.some(({ Name }) => Name.startsWith("Podman"));
}

/** The engine knows only of its first process; the control groups, where they are this machine's, of all. */
async function describeHit(
  engine: EngineClient,
  id: string,
  counts: Awaited<ReturnType<typeof findCounts>>,
  limits: SandboxLimits,
): Promise<string | null> {
  const counted = await describeCounts(counts, limits);
  if (counted !== null) return counted;
  const { memoryBytes } = limits;
  if (memoryBytes === undefined || !(await inspect(engine, id)).isOutOfMemory) return null;
  return `memory limit ${formatLimit(memoryBytes)}`;
}

async function removeContainer(engine: EngineClient, id: string): Promise<void> {
  const answer = await engine.ask("DELETE", `/containers/${id}?force=true&v=true`);
  if (answer.status >= 400 && answer.status !== 404)
    throw createEngineError("a container could not be removed", answer);
}

interface Running {
  readonly engine: EngineClient;
  readonly id: string;
  readonly egress: ContainerEgress | null;
}

function createContainerView(request: ProviderRequest, { engine, id, egress }: Running): WorkspaceView {
  const { layout, view, settings } = request;
  const { limits } = settings;
  const live = new Set<string>();
  const killAll = async (): Promise<void> => {
    // From inside, -1 is everybody but process 1 and the sender.
    const command = ["/bin/sh", "-c", "kill -9 -1"] as const;
    await runInContainer({ engine, containerId: id, command, cwd: "/", env: {}, user: describeUser() });
  };
  return {
    ...view,
    async start(command, cwd, env) {
      const { marker, env: marked } = mark(layout.workspaceId, { ...egress?.proxy.env, ...env });
      const pidFile = join(layout.tmpDirectory, `.canopy-${randomBytes(6).toString("hex")}`);
      // PATH is the image's own.
      const { PATH: _path, ...rest } = marked;
      live.add(marker);
      const killTree = async (): Promise<void> => {
        if ([...live].every((other) => other === marker)) await killAll();
        live.delete(marker);
      };
      const user = describeUser();
      const process = { engine, containerId: id, command, cwd, env: rest, pidFile, user, limits, killTree };
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
      await egress?.[Symbol.asyncDispose]();
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
      const engine = await requireEngine(socketPath);
      const list = await createBlockList(settings);
      const binds = await listBinds(request, list, await isPodman(engine));
      const name = `canopy-${layout.workspaceId}-${randomBytes(3).toString("hex")}`;
      const egress = settings.network === "allowlist" ? await startContainerEgress(request) : null;
      let id: string | null = null;
      try {
        id = await startContainer(engine, name, (rlimits) =>
          describeContainer(request, image, binds, rlimits),
        );
        const { pid } = await inspect(engine, id);
        await egress?.connect(pid);
        const counts = await findCounts(pid);
        return {
          view: createContainerView(request, { engine, id, egress }),
          refusals: egress?.proxy.refusals ?? [],
          describeHit: () => describeHit(engine, id ?? "", counts, settings.limits),
        };
      } catch (error) {
        await egress?.[Symbol.asyncDispose]();
        if (id !== null) await removeContainer(engine, id);
        throw error;
      }
    },
    async removeOf(workspaceId): Promise<void> {
      const { engine } = await findEngine(socketPath);
      if (engine === null) return;
      const filters = encodeURIComponent(JSON.stringify({ label: [`${WORKSPACE_LABEL}=${workspaceId}`] }));
      const answer = await engine.ask("GET", `/containers/json?all=true&filters=${filters}`);
      const listed = listedSchema.safeParse(answer.value);
      for (const { Id: id } of listed.success ? listed.data : []) await removeContainer(engine, id);
    },
  };
}
