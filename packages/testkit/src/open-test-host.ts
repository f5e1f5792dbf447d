import type { Project } from "@canopy/protocol";
import { brandId } from "@canopy/protocol";
import type { LiveMessage, RoomDefinition, RoomHandle, RoomHost, RoomSubscriber, Typed } from "@canopy/core";
import { Room, featureRoom, nodeRoom, projectRoom, projectRoomAddress, selectProject } from "@canopy/core";
import type { NodeStorage } from "@canopy/store";
import { openMemoryStorage } from "@canopy/store";
import { TEST_EPOCH_MS, TEST_PERSON } from "./open-test-room.ts";

/** A host of rooms in memory, with a clock that only the test moves. */
export interface TestHost extends RoomHost, Disposable {
  nowMs: number;
  /** Registers a project and opens its room. */
  addProject(name: string): Project;
}

/** Opens a host whose rooms live in memory; rooms of unknown projects do not exist. */
export function openTestHost(): TestHost {
  const storages: NodeStorage[] = [];
  const rooms = new Map<string, RoomHandle>();
  const open = (address: string): RoomHandle => {
    const storage = openMemoryStorage();
    storages.push(storage);
    const room = hostRoom(new Room(parseDefinition(definitionOf(address)), storage), host);
    rooms.set(address, room);
    return room;
  };
  const host: TestHost = {
    nowMs: TEST_EPOCH_MS,
    room: (address) => {
      const known = rooms.get(address);
      if (known !== undefined || address === "node") return known ?? open(address);
      const projectId = address.startsWith("project/")
        ? address.slice("project/".length)
        : `prj_${address.slice(address.lastIndexOf("-") + 1)}`;
      const isKnown = host.room("node")?.read((sql) => selectProject(sql, projectId)) !== undefined;
      return isKnown ? open(address) : undefined;
    },
    addProject: (name) => {
      const projectId = brandId("project", `prj_${name}`);
      const node = host.room("node");
      const command = {
        type: "project.register",
        projectId,
        name,
        path: `/work/${name}`,
        commonDirectory: `/work/${name}/.git`,
      };
      node?.submit({ key: `register-${name}`, actor: TEST_PERSON, command });
      host.room(projectRoomAddress(projectId));
      const project = node?.read((sql) => selectProject(sql, projectId));
      if (project === undefined) throw new Error(`broken invariant: ${projectId} is not registered`);
      return project;
    },
    [Symbol.dispose]: () => {
      for (const storage of storages) storage[Symbol.dispose]();
    },
  };
  return host;
}

function definitionOf(address: string): unknown {
  if (address === "node") return nodeRoom;
  return address.startsWith("project/") ? projectRoom : featureRoom;
}

/** A definition is invariant in its command and event types; the room itself parses every command first. */
function parseDefinition(definition: unknown): RoomDefinition<Typed, Typed> {
  return definition as RoomDefinition<Typed, Typed>;
}

/** A room as servers see it, with the given clock. Seeds count up. */
export function hostRoom<C extends Typed, E extends Typed>(
  room: Room<C, E>,
  clock: { readonly nowMs: number },
): RoomHandle {
  const subscribers = new Set<RoomSubscriber>();
  let seed = 0;
  room.subscribe((events) => {
    for (const subscriber of subscribers) subscriber.events(events);
  });
  return {
    get lastSeq() {
      return room.lastSeq;
    },
    submit: (request) => {
      seed += 1;
      return room.submit({ ...request, nowMs: clock.nowMs, seed });
    },
    snapshot: () => room.snapshot(),
    eventsAfter: (seq, limit) => room.eventsAfter(seq, limit),
    read: (query) => query(room.sql),
    subscribe: (subscriber) => {
      subscribers.add(subscriber);
      return () => {
        subscribers.delete(subscriber);
      };
    },
    publishLive: (message: LiveMessage) => {
      for (const subscriber of subscribers) subscriber.live?.(message);
    },
  };
}
