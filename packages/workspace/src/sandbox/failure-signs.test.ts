import { expect, test } from "vitest";
import { recognizeLimit } from "./failure-signs.ts";

const LIMITS = { memoryBytes: 2 ** 32, processCount: 60, openFileCount: 256 };

test.each([
  ["Out of memory in perl:util:safesysmalloc", "memory limit 4 GB"],
  ["fatal error: runtime: cannot allocate memory", "memory limit 4 GB"],
  ["MemoryError", "memory limit 4 GB"],
  ["terminate called after throwing an instance of 'std::bad_alloc'", "memory limit 4 GB"],
  ["memory allocation of 314572800 bytes failed", "memory limit 4 GB"],
  ["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", null],
  ["bash: fork: retry: Resource temporarily unavailable", "process limit 60"],
  ["sh: 0: Cannot fork", "process limit 60"],
  ["Error: spawn node EAGAIN", "process limit 60"],
  ["RuntimeError: can't start new thread", "process limit 60"],
  ["read: Resource temporarily unavailable", null],
  ["Error: EMFILE: too many open files, open 'a'", "open files limit 256"],
  ["file: Too many open files at -e line 1.", "open files limit 256"],
  ["1 test failed", null],
])("what a failing process says last names the limit: %s", (text, limit) => {
  expect(recognizeLimit(text, LIMITS)).toBe(limit);
  expect(recognizeLimit(text, {})).toBe(null);
});
