import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { describeStorageContract } from "./contract/describe-storage-contract.ts";
import { createDurableObjectStorage } from "./create-durable-object-storage.ts";

describeStorageContract("durable object", async (work) => {
  const stub = env.ROOMS.get(env.ROOMS.newUniqueId());
  await runInDurableObject(stub, (_room, state) => {
    work({
      storage: createDurableObjectStorage(state.storage),
      reopen: () => createDurableObjectStorage(state.storage),
    });
  });
});

test("a failing statement names SQLite's symbol", async () => {
  const stub = env.ROOMS.get(env.ROOMS.newUniqueId());
  await runInDurableObject(stub, (_room, state) => {
    const { sql } = createDurableObjectStorage(state.storage);
    sql.exec("CREATE TABLE items (v INTEGER PRIMARY KEY)");
    sql.exec("INSERT INTO items VALUES (1)");
    expect(() => sql.exec("INSERT INTO items VALUES (1)")).toThrow(
      expect.objectContaining({
        code: "store.failed",
        data: { path: "durable-object", sqliteSymbol: "SQLITE_CONSTRAINT" },
      }),
    );
  });
});
