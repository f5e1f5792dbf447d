export { listMigrationIds } from "./list-migration-ids.ts";
export { openMemoryStorage, openNodeStorage } from "./open-node-storage.ts";
export type { NodeStorage, NodeStorageOptions } from "./open-node-storage.ts";
export { MAX_BINDINGS } from "./portable-sql.ts";
