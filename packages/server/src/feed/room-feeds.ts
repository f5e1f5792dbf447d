import type { RoomHandle, RoomHost } from "@canopy/core";
import type { FeedCounts } from "./room-feed.ts";
import { RoomFeed, createFeedCounts } from "./room-feed.ts";

/** The feeds of a host's rooms, one each. */
export interface RoomFeeds {
  readonly counts: FeedCounts;
  /** The feed of a room, or undefined when there is no such room. */
  find(address: string): RoomFeed | undefined;
}

/** Makes the feeds of a host's rooms; a feed costs nothing while nobody is subscribed. */
export function createRoomFeeds(host: RoomHost): RoomFeeds {
  const counts = createFeedCounts();
  const feeds = new WeakMap<RoomHandle, RoomFeed>();
  return {
    counts,
    find: (address) => {
      const room = host.room(address);
      if (room === undefined) return undefined;
      const known = feeds.get(room) ?? new RoomFeed(address, room, counts);
      feeds.set(room, known);
      return known;
    },
  };
}
