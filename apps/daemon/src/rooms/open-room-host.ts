import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EventEnvelope } from "@canopy/protocol";
import type { LinkPorts, RoomDefinition, RoomHost, Typed } from "@canopy/core";
import {
  Room,
  createSessionLink,
  featureRoom,
  featureRoomAddress,
  nodeRoom,
  projectRoom,
  pumpLink,
  selectProject,
} from "@canopy/core";
import { listMigrationIds, openNodeStorage } from "@canopy/store";
import { HostedRoom } from "./hosted-room.ts";

/** Called with every batch of events of every room, after its commit. */
export type HostListener = (address: string, events: readonly EventEnvelope[]) => void;

/** The rooms of one machine, one SQLite file each, opened when first asked for. */
export interface NodeRoomHost extends RoomHost, AsyncDisposable {
  room(address: string): HostedRoom | undefined;
  onEvents(listener: HostListener): () => void;
  /** The open rooms with their size on disk. */
  measureRooms(): { readonly address: string; readonly sizeBytes: number; readonly eventCount: number }[];
  /** Resolves when no link has anything left to deliver. */
  settleLinks(): Promise<void>;
  /** Closes the rooms of a project and removes their files. */
  forget(projectId: string): Promise<void>;
}

/** What openRoomHost needs. `onBroken` is told when a room broke an invariant. */
export interface RoomHostOptions {
  readonly roomsDir: string;
  readonly onBroken: (address: string, error: unknown) => void;
}

function definitionOf(address: string): RoomDefinition<Typed, Typed> | undefined {
  // A definition is invariant in its command and event types; the room itself parses every command first.
  const erase = (definition: unknown): RoomDefinition<Typed, Typed> => parseDefinition(definition);
  if (address === "node") return erase(nodeRoom);
  if (address.startsWith("project/")) return erase(projectRoom);
  if (address.startsWith("feature/")) return erase(featureRoom);
  return undefined;
}

function parseDefinition(definition: unknown): RoomDefinition<Typed, Typed> {
  return definition as RoomDefinition<Typed, Typed>;
}

/** Opens the rooms of this machine below a folder. */
export function openRoomHost(options: RoomHostOptions): NodeRoomHost {
  mkdirSync(options.roomsDir, { recursive: true, mode: 0o700 });
  return new SqliteRoomHost(options);
}

class SqliteRoomHost implements NodeRoomHost {
  readonly #options: RoomHostOptions;
  readonly #rooms = new Map<
    string,
    {
      readonly room: HostedRoom;
      readonly sizeBytes: () => number;
      readonly close: () => void;
      readonly links: LinkPump[];
    }
  >();
  readonly #listeners = new Set<HostListener>();

  constructor(options: RoomHostOptions) {
    this.#options = options;
  }

  room(address: string): HostedRoom | undefined {
    const known = this.#rooms.get(address);
    if (known !== undefined) return known.room;
    if (!/^(node|(project|feature)\/[a-z]{3}_[0-9a-z-]{1,80})$/.test(address) || !this.#mayOpen(address))
      return undefined;
    const definition = definitionOf(address);
    if (definition === undefined) return undefined;
    return this.#open(address, definition);
  }

  onEvents(listener: HostListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  measureRooms(): { readonly address: string; readonly sizeBytes: number; readonly eventCount: number }[] {
    return [...this.#rooms].map(([address, { room, sizeBytes }]) => ({
      address,
      sizeBytes: sizeBytes(),
      eventCount: room.lastSeq,
    }));
  }

  async settleLinks(): Promise<void> {
    for (const { links } of this.#rooms.values()) await Promise.all(links.map((link) => link.settle()));
  }

  async forget(projectId: string): Promise<void> {
    await this.settleLinks();
    const tail = projectId.replace(/^prj_/, "");
    for (const [address, { room, close }] of this.#rooms) {
      if (
        address !== `project/${projectId}` &&
        !(address.startsWith("feature/") && address.endsWith(`-${tail}`))
      )
        continue;
      room[Symbol.dispose]();
      close();
      this.#rooms.delete(address);
    }
    for (const name of readdirSync(this.#options.roomsDir)) {
      const isFeature = name.startsWith("feature-") && name.includes(`-${tail}.sqlite`);
      if (isFeature || name.startsWith(`project-${projectId}.sqlite`))
        rmSync(join(this.#options.roomsDir, name), { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settleLinks();
    for (const { room, close } of this.#rooms.values()) {
      room[Symbol.dispose]();
      close();
    }
    this.#rooms.clear();
  }

  /** A project's room exists once the project is registered; a feature's with its project. */
  #mayOpen(address: string): boolean {
    if (address === "node") return true;
    const node = this.room("node");
    if (node === undefined) return false;
    if (address.startsWith("project/")) {
      return node.read((sql) => selectProject(sql, address.slice("project/".length))) !== undefined;
    }
    return (
      node.read((sql) => selectProject(sql, `prj_${address.slice(address.lastIndexOf("-") + 1)}`)) !==
      undefined
    );
  }

  #open(address: string, definition: RoomDefinition<Typed, Typed>): HostedRoom {
    const storage = openNodeStorage(join(this.#options.roomsDir, `${address.replace("/", "-")}.sqlite`), {
      knownMigrations: listMigrationIds(definition),
    });
    const links: LinkPump[] = [];
    const room = new HostedRoom(new Room(definition, storage), {
      onEvents: (events) => {
        for (const listener of this.#listeners) listener(address, events);
        for (const link of links) link.kick();
      },
      onBroken: (error) => this.#options.onBroken(address, error),
    });
    if (definition.kind === "project") {
      const projectId = address.slice("project/".length);
      const link = createSessionLink((featureId) => featureRoomAddress(projectId, featureId));
      const ports: LinkPorts = {
        readCursor: (name) => room.readLinkCursor(name),
        writeCursor: (name, seq) => room.writeLinkCursor(name, seq),
        eventsAfter: (seq, limit) => room.eventsAfter(seq, limit),
        deliver: async (linked) => {
          this.room(linked.room)?.submit({ key: linked.key, actor: linked.actor, command: linked.command });
          await Promise.resolve();
        },
      };
      links.push(
        new LinkPump(
          () => pumpLink(link, ports),
          (error) => this.#options.onBroken(address, error),
        ),
      );
    }
    this.#rooms.set(address, {
      room,
      sizeBytes: () => storage.sizeBytes(),
      close: () => storage[Symbol.dispose](),
      links,
    });
    for (const link of links) link.kick();
    return room;
  }
}

/** Runs one pump at a time; a kick during a run makes it run once more. */
class LinkPump {
  readonly #pump: () => Promise<number>;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(pump: () => Promise<number>, onError: (error: unknown) => void) {
    this.#pump = pump;
    this.#onError = onError;
  }

  kick(): void {
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#run();
  }

  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        await this.#pump();
      } while (this.#again);
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#running = undefined;
    }
  }
}
