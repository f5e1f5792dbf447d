export { listMigrationIds } from "./list-migration-ids.ts";
export { openMemoryStorage, openNodeStorage } from "./node-storage.ts";
export type { NodeStorage, NodeStorageOptions } from "./node-storage.ts";
export { MAX_BINDINGS } from "./portable-sql.ts";
