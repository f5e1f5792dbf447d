import type { RoomDefinition, Typed } from "@canopy/core";
import { Room, readText } from "@canopy/core";
import { openMemoryStorage } from "./open-node-storage.ts";

/**
 * Ids of every migration that this program knows for a kind of room, the kernel's own included, in the order they are
 * applied. Found by making such a room in memory (about a millisecond): call it once per kind.
 */
export function listMigrationIds<C extends Typed, E extends Typed>(
  definition: RoomDefinition<C, E>,
): string[] {
  using storage = openMemoryStorage();
  const room = new Room(definition, storage);
  return room.sql.exec("SELECT id FROM migrations ORDER BY position").map((row) => readText(row, "id"));
}
