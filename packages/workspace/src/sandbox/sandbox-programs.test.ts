import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

test.each([
  "sandbox-calls.pl",
  "sandbox-egress.pl",
  "sandbox-init.pl",
  "sandbox-enter.pl",
  "container-egress.pl",
])("%s is strict Perl without warnings, though it starts without either", async (name) => {
  const file = join(import.meta.dirname, name);
  const { stderr } = await run("perl", ["-Mstrict", "-Mwarnings", "-c", file]);
  expect(stderr).toBe(`${file} syntax OK\n`);
});
