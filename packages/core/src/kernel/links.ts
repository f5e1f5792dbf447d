import type { Actor, EventEnvelope } from "@canopy/protocol";

/** A command that one room's event becomes for another. `key` makes a second delivery harmless. */
export interface LinkedCommand {
  readonly room: string;
  readonly key: string;
  readonly actor: Actor;
  readonly command: unknown;
}

/** How events of one kind of room become commands to another. Pure. */
export interface LinkDefinition {
  readonly name: string;
  readonly select: (event: EventEnvelope) => LinkedCommand | null;
}

/** What a link needs of the two rooms. */
export interface LinkPorts {
  readCursor(link: string): number;
  writeCursor(link: string, seq: number): void;
  eventsAfter(seq: number, limit: number): EventEnvelope[];
  /** Delivers a command; resolves when it was decided, rejected or not. Throws when it could not be delivered. */
  deliver(command: LinkedCommand): Promise<void>;
}

const LINK_BATCH = 200;

/**
 * Delivers everything that a link has not delivered yet, in order, at least once: the cursor moves after the delivery,
 * so a crash between the two repeats a command whose key makes it harmless. Returns how many were delivered.
 */
export async function pumpLink(link: LinkDefinition, ports: LinkPorts): Promise<number> {
  let delivered = 0;
  for (;;) {
    const cursor = ports.readCursor(link.name);
    const events = ports.eventsAfter(cursor, LINK_BATCH);
    if (events.length === 0) return delivered;
    let lastSeq = cursor;
    for (const event of events) {
      const command = link.select(event);
      if (command !== null) {
        await ports.deliver(command);
        delivered += 1;
        ports.writeCursor(link.name, event.seq);
      }
      lastSeq = event.seq;
    }
    ports.writeCursor(link.name, lastSeq);
  }
}
