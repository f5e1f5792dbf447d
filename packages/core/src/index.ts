export type { Migration, RoomStorage, Sql, SqlRow, SqlValue, Synchronous } from "./kernel/sql.ts";
export {
  applyMigrations,
  parseColumn,
  readNumber,
  readNumberOrNull,
  readText,
  readTextOrNull,
} from "./kernel/sql.ts";
export { createRandom } from "./kernel/random.ts";
export { accept, acceptOnce } from "./kernel/room-definition.ts";
export type {
  DecideAnswer,
  DecideContext,
  Deciders,
  EventPosition,
  ParsedCommand,
  Projections,
  RoomDefinition,
  RoomFeature,
  Typed,
} from "./kernel/room-definition.ts";
export { clearTimer, selectNextDueMs, setTimer } from "./kernel/timers.ts";
export { deleteAnswersBefore, selectLinkCursor, selectPresence, writeLinkCursor } from "./kernel/journal.ts";
export type { SubmitAnswer } from "./kernel/journal.ts";
export { ANSWER_RETENTION_MS, Room } from "./kernel/room.ts";
export type { EventListener, Submission } from "./kernel/room.ts";
export { pumpLink } from "./kernel/links.ts";
export type { LinkDefinition, LinkPorts, LinkedCommand } from "./kernel/links.ts";
export type { LiveMessage, RoomHandle, RoomHost, RoomSubscriber } from "./kernel/room-host.ts";
