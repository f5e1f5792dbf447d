export type { Finding } from "./finding.ts";
export { inspectDaemons, inspectHookSocket } from "./inspect-daemons.ts";
export { inspectModes } from "./inspect-modes.ts";
export { inspectOrphans, inspectRooms } from "./inspect-rooms.ts";
