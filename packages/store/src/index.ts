export { openMemoryStorage, openNodeStorage } from "./open-node-storage.ts";
export type { NodeStorage } from "./open-node-storage.ts";
export { createDurableObjectStorage } from "./create-durable-object-storage.ts";
export type { DurableObjectStorageLike } from "./create-durable-object-storage.ts";
