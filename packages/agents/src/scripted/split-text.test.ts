import * as fc from "fast-check";
import { expect, test } from "vitest";
import { splitText } from "./split-text.ts";

test("a text is cut at words", () => {
  expect(splitText("  The quick brown\nfox jumps. \n", 3)).toEqual([
    "  The",
    " quick brown",
    "\nfox jumps. \n",
  ]);
  expect(splitText("one", 5)).toEqual(["one"]);
});

test("the pieces are the text, and not more than asked for", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", " ", "\n", "\u{1f600}") }),
      fc.integer({ min: 1, max: 9 }),
      (text, count) => {
        const pieces = splitText(text, count);
        expect(pieces.join("")).toBe(text);
        expect(pieces.length).toBeLessThanOrEqual(count);
      },
    ),
  );
});
