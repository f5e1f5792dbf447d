import { expect, test } from "vitest";
import { createHookStart } from "./hook-start.ts";

test("what hooks start is this canopy, in the same home and at the same port", () => {
  const lines = createHookStart({ CANOPY_HOME: "/it's here" }, 7771).split("\n");
  expect(lines[0]).toBe("#!/bin/sh");
  expect(lines[2]).toBe(String.raw`export CANOPY_HOME='/it'\''s here'`);
  expect(lines[3]).toMatch(/^exec '\/.*\/apps\/cli\/bin\/canopy' up --port 7771$/);
  expect(createHookStart({}, undefined).split("\n")[2]).toMatch(/^exec '\/.*\/bin\/canopy' up$/);
});
