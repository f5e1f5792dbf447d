import { expect, test } from "vitest";
import type { Validation } from "@canopy/protocol";
import { findGoodPrefix } from "./find-good-prefix.ts";

function world(firstBad: number | null): {
  asked: number[];
  validate: (count: number) => Promise<Validation>;
} {
  const asked: number[] = [];
  const validate = async (count: number): Promise<Validation> => {
    asked.push(count);
    const isRed = firstBad !== null && count >= firstBad;
    return await Promise.resolve({
      tree: String(count),
      commandsHash: "h",
      commit: `c${count}`,
      state: isRed ? "failed" : "passed",
      flaky: false,
      steps: [],
      durationMs: 0,
    });
  };
  return { asked, validate };
}

test("a green tip costs one validation, however many candidates stand below it", async () => {
  const { asked, validate } = world(null);
  expect(await findGoodPrefix(64, validate)).toEqual({ count: 64, red: null, isBaseRed: false });
  expect(asked).toEqual([64]);
});

test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
  "the first bad one of forty is found: %i",
  async (bad) => {
    const { asked, validate } = world(bad);
    const found = await findGoodPrefix(40, validate);
    expect([found.count, found.red?.commit, found.isBaseRed]).toEqual([bad - 1, `c${bad}`, false]);
    expect(asked.length).toBeLessThanOrEqual(8);
  },
);

test("a red base blames no candidate", async () => {
  const { validate } = world(0);
  expect(await findGoodPrefix(5, validate)).toMatchObject({ count: 0, isBaseRed: true });
});
