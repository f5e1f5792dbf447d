import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { readTextLines } from "./read-text-lines.ts";

test("lines end at line feeds only, wherever the stream is cut", async () => {
  const bytes = Buffer.from('{"a":"\u2028ä\u2029"}\n\n{"b":1}\r\nrest');
  const expected = ['{"a":"\u2028ä\u2029"}', "", '{"b":1}\r', "rest"];
  for (let size = 1; size <= bytes.length; size += 1) {
    const chunks = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    const lines = [];
    for await (const line of readTextLines(Readable.from(chunks))) lines.push(line);
    expect({ size, lines }).toEqual({ size, lines: expected });
  }
});
