import type { Blocker } from "@canopy/protocol";

/** A length of time as people say it: `under a minute`, `12 min`, `3 h`. */
export function describeMs(ms: number): string {
  if (ms < 60_000) return "under a minute";
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** Who holds what, since when, why, and for how long still: one sentence that an agent can act on. */
export function describeBlocker(blocker: Blocker): string {
  const { target, handle, state, mode, reason, heldForMs, remainingMs, claimId, queueLength } = blocker;
  if (claimId === null) return `@${handle} stands in line before you for ${target.label}`;
  const why = reason === "" ? "" : ` (${reason})`;
  const line = queueLength === 0 ? "" : `, ${queueLength} in line`;
  return (
    `@${handle} (${state}) holds ${target.label} (${mode}) for ${describeMs(heldForMs)} now${why}; ` +
    `it expires in ${describeMs(remainingMs)} unless used${line}`
  );
}
