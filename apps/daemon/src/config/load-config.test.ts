import { expect, test } from "vitest";
import { isCanopyError } from "@canopy/protocol";
import { parseConfig } from "./load-config.ts";

function failure(text: string): { code: string; message: string } {
  try {
    parseConfig(text, "config.toml");
  } catch (error) {
    if (isCanopyError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("expected an error");
}

test("an empty file gives every default", () => {
  const config = parseConfig("", "config.toml");
  expect(config.run).toEqual({ concurrency: 4, max_retries: 3, timeout: 1_800_000 });
  expect(config.rules.exclude_labels).toEqual(["needs-*"]);
});

test("a table that is given keeps the defaults of what it leaves out, and 0 means 0", () => {
  const config = parseConfig(
    '[run]\nmax_retries = 0\n[retries.crash]\nlimit = 0\ndelay = "90s"\n',
    "config.toml",
  );
  expect(config.run).toEqual({ concurrency: 4, max_retries: 0, timeout: 1_800_000 });
  expect(config.retries.crash).toEqual({ limit: 0, delay: 90_000, max_delay: 600_000 });
});

test("an unknown key is named with its line", () => {
  expect(failure('# first\n[run]\nagent = "claude"\nconcurency = 3\n')).toEqual({
    code: "config.invalid",
    message: "config.toml:4: unknown key 'run.concurency'",
  });
});

test("a bad value is named with its line and what it should be", () => {
  expect(failure("[rules]\n\npriority_max = 9\n").message).toMatch(
    /^config\.toml:3: rules\.priority_max: .*4/,
  );
  expect(failure('[run]\ntimeout = "soon"\n').message).toContain(
    "config.toml:2: run.timeout: 'soon' is not a duration",
  );
});

test("broken syntax is named with line and column", () => {
  expect(failure("[run\nx = 1\n").message).toMatch(/^config\.toml:1:\d+: /);
});
