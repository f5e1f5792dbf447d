import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { z } from "zod";
import type { GitMonitor } from "./change-monitor.ts";
import { explainFailure } from "./disk-failure.ts";
import {
  BIND_SCRIPT,
  isOverlayBackend,
  layerFlavour,
  layerScript,
  needsUserNamespace,
} from "./mount-script.ts";
import type { OverlayBackend } from "./mount-script.ts";
import { startNamespaceHolder } from "./namespace-holder.ts";
import { identifyProcess, isRunning } from "./process-table.ts";
import type { Trash } from "./remove-tree.ts";
import { runCommand } from "./run-command.ts";
import { toolPath } from "./tool-paths.ts";
import type { BackendName } from "./workspace-metadata.ts";
import { leaveUserNamespace } from "./workspace-view.ts";

/** Commands to run at the root of a checkout, with their whole environment. */
export interface CheckoutCommands {
  readonly commands: readonly (readonly [string, ...string[]])[];
  readonly env: Readonly<Record<string, string>>;
}

/** Where the files of a commit come from. */
export interface CheckoutSource {
  readonly commit: string;
  /** Fills an empty folder with a pristine checkout of the commit. */
  readonly populate: (directory: string, signal?: AbortSignal) => Promise<void>;
  /** Commands that bring a pristine checkout of another commit to this one; null when that is not possible. */
  readonly advance?: (fromCommit: string) => CheckoutCommands | null;
  /** Commands to run once in a checkout that was made or advanced, where workspaces will see it. */
  readonly prime?: CheckoutCommands;
  /** Lets git in an overlay learn from the upper directory what may have changed. Without it git looks at every file. */
  readonly monitor?: GitMonitor;
}

/** Layers to put below a workspace: folder names in `directory`, the topmost first. */
export interface LayerStack {
  readonly directory: string;
  readonly names: readonly string[];
}

/** Pristine checkouts of a project's commits, made once and shared by all workspaces. Never changed once made. */
export interface LayerStore {
  /** The layers of a commit, made if need be. Codes: `disk.full`, `workspace.failed`, and what the source throws. */
  ensureLayers(source: CheckoutSource, signal?: AbortSignal): Promise<LayerStack>;
  /**
   * A full checkout of the commit or, when the source can advance, of another one; `commit` says of which. For workspaces
   * that copy it and advance the copy.
   */
  ensureBase(
    source: CheckoutSource,
    signal?: AbortSignal,
  ): Promise<{ readonly files: string; readonly commit: string }>;
  /** Drops the least recently used layers that nothing in `used` (and nothing being made) stands on. */
  prune(used: ReadonlySet<string>): Promise<void>;
  /** Drops what a dead process left half-made. */
  sweep(): Promise<void>;
}

/** What a layer store needs. */
export interface LayerStoreOptions {
  /** Holds the layers. */
  readonly directory: string;
  /** Where workspaces of the project appear: an empty folder. */
  readonly mountPath: string;
  readonly backend: BackendName;
  readonly trash: Trash;
  /** How many unused full checkouts, and how many unused differences, are kept. */
  readonly keepBases: number;
  readonly keepDeltas: number;
}

const layerSchema = z.object({
  version: z.literal(1),
  commit: z.string(),
  kind: z.enum(["base", "delta"]),
  /** The layer that a delta stands on; null for a base. */
  on: z.string().nullable(),
  fileCount: z.int(),
});

type Layer = z.infer<typeof layerSchema> & { readonly name: string; readonly usedAtMs: number };

const INFO_FILE = "layer.json";
const FILES = "files";
const BUILDING = ".building-";
/** A difference with more files than this, or than this part of the base, is made a base of its own. */
const MAX_DELTA_FILES = 2_000;
const MAX_DELTA_PART = 0.25;

/** Where the files of a layer are. */
export function layerFiles(directory: string, name: string): string {
  return join(directory, name, FILES);
}

async function countFiles(directory: string, limit: number): Promise<number> {
  let count = 0;
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.name === ".git") continue;
    count += entry.isDirectory() ? await countFiles(join(directory, entry.name), limit - count) : 1;
    if (count > limit) return count;
  }
  return count;
}

class Layers implements LayerStore {
  readonly #options: LayerStoreOptions;
  readonly #building = new Map<string, Promise<string[]>>();

  constructor(options: LayerStoreOptions) {
    this.#options = options;
  }

  async ensureLayers(source: CheckoutSource, signal?: AbortSignal): Promise<LayerStack> {
    const { commit } = source;
    const running = this.#building.get(commit) ?? this.#ensure(source, signal);
    this.#building.set(commit, running);
    try {
      return { directory: this.#options.directory, names: await running };
    } finally {
      if (this.#building.get(commit) === running) this.#building.delete(commit);
    }
  }

  async ensureBase(source: CheckoutSource, signal?: AbortSignal): Promise<{ files: string; commit: string }> {
    const bases = (await this.#list()).filter((layer) => layer.kind === "base");
    const same = bases.find((layer) => layer.commit === source.commit);
    const [newest] = bases.sort((left, right) => right.usedAtMs - left.usedAtMs);
    const canAdvance = newest !== undefined && (source.advance?.(newest.commit) ?? null) !== null;
    const chosen = same ?? (canAdvance ? newest : undefined);
    if (chosen !== undefined) {
      await this.#use(chosen);
      return { files: layerFiles(this.#options.directory, chosen.name), commit: chosen.commit };
    }
    const { directory, names } = await this.ensureLayers(source, signal);
    return { files: layerFiles(directory, names[0] ?? ""), commit: source.commit };
  }

  async prune(used: ReadonlySet<string>): Promise<void> {
    const layers = (await this.#list()).sort((left, right) => right.usedAtMs - left.usedAtMs);
    const needed = new Set(used);
    const drop: string[] = [];
    let deltas = 0;
    let bases = 0;
    for (const layer of layers.filter(({ kind }) => kind === "delta")) {
      const isKept = used.has(layer.name) || (deltas += 1) <= this.#options.keepDeltas;
      if (!isKept) drop.push(layer.name);
      else if (layer.on !== null) needed.add(layer.on);
    }
    for (const layer of layers.filter(({ kind }) => kind === "base")) {
      if (needed.has(layer.name) || this.#building.size > 0) continue;
      if ((bases += 1) > this.#options.keepBases) drop.push(layer.name);
    }
    for (const name of drop) await this.#options.trash.discard(join(this.#options.directory, name));
  }

  async sweep(): Promise<void> {
    const { directory, trash } = this.#options;
    for (const name of await readdir(directory).catch(() => [])) {
      if (!name.startsWith(BUILDING)) continue;
      const text = await readFile(join(directory, name, "owner.json"), "utf8").catch(() => null);
      const owner = text === null ? null : ownerSchema.safeParse(JSON.parse(text)).data;
      if (owner !== null && owner !== undefined && (await isRunning(owner))) continue;
      await trash.discard(join(directory, name));
    }
  }

  async #ensure(source: CheckoutSource, signal: AbortSignal | undefined): Promise<string[]> {
    await mkdir(this.#options.directory, { recursive: true });
    await mkdir(this.#options.mountPath, { recursive: true });
    const layers = await this.#list();
    const ready = layers.find((layer) => layer.commit === source.commit);
    if (ready !== undefined) return await this.#use(ready);
    const base = layers
      .filter((layer) => layer.kind === "base")
      .sort((left, right) => right.usedAtMs - left.usedAtMs)
      .at(0);
    const delta = base === undefined ? null : await this.#buildDelta(source, base, signal);
    if (delta !== null && base !== undefined) return [delta, base.name];
    return [await this.#buildBase(source, signal)];
  }

  async #use(layer: Layer): Promise<string[]> {
    const names = layer.on === null ? [layer.name] : [layer.name, layer.on];
    const now = new Date();
    for (const name of names) {
      await utimes(join(this.#options.directory, name, INFO_FILE), now, now).catch(() => undefined);
    }
    return names;
  }

  get #flavour(): string {
    const { backend } = this.#options;
    return isOverlayBackend(backend) ? layerFlavour(backend) : "plain";
  }

  async #list(): Promise<Layer[]> {
    const { directory } = this.#options;
    const names = await readdir(directory).catch(() => []);
    const layers = await Promise.all(
      names.filter((name) => !name.startsWith(".")).map((name) => readLayer(directory, name)),
    );
    const suffix = `-${this.#flavour}`;
    const usable = layers.filter((layer) => layer !== null);
    const own = usable.filter((layer) => layer.kind === "base" || layer.name.endsWith(suffix));
    return own.filter((layer) => layer.on === null || own.some((other) => other.name === layer.on));
  }

  /** Makes a layer in a folder of its own and puts it in place at once; one that another process made first wins. */
  async #build(
    name: string,
    info: Omit<Layer, "name" | "usedAtMs" | "version">,
    place: Building,
  ): Promise<string> {
    const { directory, trash } = this.#options;
    await writeFile(join(place.path, INFO_FILE), JSON.stringify({ version: 1, ...info }));
    try {
      await rename(place.path, join(directory, name));
    } catch (error) {
      if ((await readLayer(directory, name)) === null) throw error;
      await trash.discard(place.path);
    }
    return name;
  }

  async #buildBase(source: CheckoutSource, signal: AbortSignal | undefined): Promise<string> {
    return await this.#inBuildingFolder(async (place) => {
      const files = join(place.path, FILES);
      await mkdir(files);
      await source.populate(files, signal);
      if (source.prime !== undefined) await this.#prime(files, source.prime, signal);
      const fileCount = await countFiles(files, Number.POSITIVE_INFINITY);
      return await this.#build(
        `${source.commit}-base`,
        { commit: source.commit, kind: "base", on: null, fileCount },
        place,
      );
    });
  }

  async #prime(files: string, prime: CheckoutCommands, signal: AbortSignal | undefined): Promise<void> {
    const { backend, mountPath } = this.#options;
    if (!isOverlayBackend(backend)) {
      for (const command of prime.commands) await runCommand({ command, cwd: files, env: prime.env, signal });
      return;
    }
    const args = [files, mountPath];
    await this.#runMounted({ script: BIND_SCRIPT, args, cwd: files, backend }, prime, signal);
  }

  async #runMounted(
    mount: MountPlan,
    work: CheckoutCommands,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await using holder = await startNamespaceHolder({
      withUserNamespace: needsUserNamespace(mount.backend),
      cwd: mount.cwd,
      script: mount.script,
      args: mount.args,
    });
    for (const command of work.commands) {
      const there = [
        ...leaveUserNamespace(mount.backend),
        toolPath("sh"),
        "-c",
        'cd "$1" && shift && exec "$@"',
        "sh",
        this.#options.mountPath,
        ...command,
      ];
      const [program = "nsenter", ...rest] = [...holder.enter, ...there];
      await runCommand({ command: [program, ...rest], cwd: "/", env: work.env, signal });
    }
  }

  /** The name of the new delta; null when this commit is better made from nothing. */
  async #buildDelta(
    source: CheckoutSource,
    base: Layer,
    signal: AbortSignal | undefined,
  ): Promise<string | null> {
    const { backend, directory } = this.#options;
    const work = source.advance?.(base.commit) ?? null;
    if (work === null || !isOverlayBackend(backend)) return null;
    const limit = Math.min(MAX_DELTA_FILES, Math.max(20, Math.floor(base.fileCount * MAX_DELTA_PART)));
    try {
      return await this.#inBuildingFolder(async (place) => {
        for (const name of ["upper", "work"]) await mkdir(join(place.path, name));
        const lower = join("..", base.name, FILES);
        const args = [lower, this.#options.mountPath];
        await this.#runMounted(
          { script: layerScript(backend), args, cwd: place.path, backend },
          { ...work, commands: [...work.commands, ...(source.prime?.commands ?? [])] },
          signal,
        );
        const fileCount = await countFiles(join(place.path, "upper"), limit);
        if (fileCount > limit)
          throw new CanopyError("workspace.failed", "the difference is too large for a layer");
        await rename(join(place.path, "upper"), join(place.path, FILES));
        await this.#options.trash.discard(join(place.path, "work"));
        const name = `${source.commit}-delta-${this.#flavour}`;
        return await this.#build(
          name,
          { commit: source.commit, kind: "delta", on: base.name, fileCount },
          place,
        );
      });
    } catch (error) {
      const failure = await explainFailure(error, directory);
      // Whatever else went wrong, a full checkout is the other way to the same files.
      if (failure.code === "disk.full" || failure.code === "cancelled") throw failure;
      return null;
    }
  }

  async #inBuildingFolder<T>(work: (place: Building) => Promise<T>): Promise<T> {
    const { directory, trash } = this.#options;
    const path = join(directory, `${BUILDING}${randomBytes(6).toString("hex")}`);
    try {
      await mkdir(path);
      await writeFile(join(path, "owner.json"), JSON.stringify(await identifyProcess(process.pid)));
      return await work({ path });
    } catch (error) {
      const failure = await explainFailure(error, directory);
      await trash.discard(path).catch(() => undefined);
      throw failure;
    }
  }
}

const ownerSchema = z.object({ pid: z.int(), startedAt: z.string() });

interface Building {
  readonly path: string;
}

interface MountPlan {
  readonly script: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly backend: OverlayBackend;
}

async function readLayer(directory: string, name: string): Promise<Layer | null> {
  const path = join(directory, name, INFO_FILE);
  const [text, info] = await Promise.all([readFile(path, "utf8"), stat(path)]).catch(
    () => [null, null] as const,
  );
  if (text === null || info === null) return null;
  const parsed = layerSchema.safeParse(JSON.parse(text));
  return parsed.success ? { ...parsed.data, name, usedAtMs: info.mtimeMs } : null;
}

/** Opens the layers of one project. Nothing to dispose. */
export function openLayerStore(options: LayerStoreOptions): LayerStore {
  return new Layers(options);
}
