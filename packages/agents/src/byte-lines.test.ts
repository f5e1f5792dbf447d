import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteLines, TextTail } from "./byte-lines.ts";
import type { LongLinePolicy } from "./byte-lines.ts";

function run(chunks: readonly Uint8Array[], maxBytes: number, policy: LongLinePolicy): string[] {
  const lines = new ByteLines(maxBytes, policy);
  const found = chunks.flatMap((chunk) => [...lines.push(chunk)]);
  const rest = lines.flush();
  return [...found, ...(rest === null ? [] : [rest])].map((line) => Buffer.from(line).toString("utf8"));
}

test("lines are the same however the bytes are cut", () => {
  const lines = fc.array(
    fc.string({ unit: "grapheme", maxLength: 20 }).filter((line) => !/[\r\n]/.test(line)),
  );
  fc.assert(
    fc.property(lines, fc.array(fc.nat(200)), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((place, index) => bytes.subarray(places[index], place));
      expect(run(chunks, 1000, "drop")).toEqual(texts);
    }),
  );
});

test("a carriage return before the line end is dropped, a last line without one is kept", () => {
  expect(run([Buffer.from("a\r\nb\n\nc")], 10, "drop")).toEqual(["a", "b", "", "c"]);
});

test("a line that is too long is left out and counted, the next one is read", () => {
  const lines = new ByteLines(4, "drop");
  const found = ["ab", "cdef", "gh\nij\n"].flatMap((text) => Array.from(lines.push(Buffer.from(text))));
  expect(found.map((line) => Buffer.from(line).toString())).toEqual(["ij"]);
  expect(lines.droppedCount).toBe(1);
});

test("a line that is too long comes in pieces that do not break a character", () => {
  const text = "ä€\u{1f600}".repeat(50);
  const pieces = run([Buffer.from(`${text}\nend\n`)], 10, "split");
  expect(pieces.at(-1)).toBe("end");
  expect(pieces.slice(0, -1).join("")).toBe(text);
  expect(pieces.every((piece) => Buffer.byteLength(piece) <= 10)).toBe(true);
});

test("bytes that are not UTF-8 do not loop or vanish", () => {
  const pieces = run([Buffer.alloc(100, 0x80), Buffer.from("\n")], 10, "split");
  expect(pieces.join("").length).toBe(100);
});

test("a tail keeps the end", () => {
  const tail = new TextTail(5);
  for (const text of ["abc", "def", "ghijkl", "m"]) tail.push(text);
  expect(tail.text).toBe("ijklm");
  tail.clear();
  expect(tail.text).toBe("");
});
