import type { RoomStorage } from "@canopy/core";

/** An empty database for one test. `reopen` closes it and opens the same one again, as after a restart. */
export interface StorageSession {
  readonly storage: RoomStorage;
  reopen(): RoomStorage;
}

/** Makes an empty database, hands it to `work`, and removes it. Durable Objects run `work` inside the object. */
export type WithStorage = (work: (session: StorageSession) => void) => Promise<void>;
