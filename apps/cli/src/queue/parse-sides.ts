import { CanopyError } from "@canopy/protocol/errors";
import type { ResolveInput } from "@canopy/protocol";

const SIDES = ["ours", "theirs", "base", "union"] as const;
type Side = (typeof SIDES)[number];

/** A side as people name it. Throws `usage.invalid`. */
export function parseSide(text: string): Side {
  const side = SIDES.find((each) => each === text);
  if (side !== undefined) return side;
  throw new CanopyError("usage.invalid", `no side '${text}'`, { hint: `it is one of ${SIDES.join(", ")}` });
}

/**
 * Choices of `take SIDE CHANGE PATH...`: every path takes the side but those written as `PATH=SIDE`; without paths all
 * conflicted files take it.
 */
export function parseSides(
  side: Side,
  paths: readonly string[],
  conflicted: readonly string[],
): ResolveInput["choices"] {
  const chosen = paths.map((text): [string, { take: Side }] => {
    const at = text.lastIndexOf("=");
    const named = SIDES.find((each) => each === text.slice(at + 1));
    // A file may have an equals sign in its name.
    if (at <= 0 || named === undefined || conflicted.includes(text)) return [text, { take: side }];
    return [text.slice(0, at), { take: named }];
  });
  return Object.fromEntries(chosen.length > 0 ? chosen : conflicted.map((path) => [path, { take: side }]));
}
