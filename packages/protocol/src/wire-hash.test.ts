import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { z } from "zod";
import * as protocol from "./index.ts";

/**
 * Hash of every schema that crosses the wire, for the version below. When this test fails, the wire has changed: raise
 * WIRE_VERSION in version.ts (clients of the old version must notice), then put the new hash and version here. Until
 * version 1 is released, only the hash moves.
 */
const COMMITTED = { wireVersion: 1, hash: "29fb36f71786f57e" };

/** Schemas that never leave the machine: configuration files. */
const LOCAL_ONLY = new Set([
  "agentConfigSchema",
  "durationSchema",
  "budgetConfigSchema",
  "budgetLimitsSchema",
  "permissionConfigSchema",
  "providerConfigSchema",
  "projectConfigSchema",
  "queueConfigSchema",
]);

function describeWire(): string {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(protocol).toSorted(([left], [right]) =>
    left < right ? -1 : 1,
  )) {
    if (LOCAL_ONLY.has(name)) continue;
    const isGroup = typeof value === "object" && value !== null && !(value instanceof z.ZodType);
    const schemas: unknown[] = isGroup ? Object.values(value) : [value];
    for (const schema of schemas) {
      if (!(schema instanceof z.ZodType)) continue;
      for (const io of ["input", "output"] as const) {
        lines.push(`${name} ${io} ${JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: "any" }))}`);
      }
    }
  }
  return lines.join("\n");
}

test("a changed wire schema raises WIRE_VERSION", () => {
  const wire = describeWire();
  expect(wire.split("\n").length).toBeGreaterThan(100);
  const found = {
    wireVersion: protocol.WIRE_VERSION,
    hash: createHash("sha256").update(wire).digest("hex").slice(0, 16),
  };
  expect(
    found,
    "the wire schemas changed: raise WIRE_VERSION in packages/protocol/src/version.ts, then put version and hash here",
  ).toEqual(COMMITTED);
});
