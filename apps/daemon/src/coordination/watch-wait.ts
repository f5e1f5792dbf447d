import type { Wait } from "@canopy/protocol";
import { brandId, CanopyError } from "@canopy/protocol";
import { selectPresent, selectWait } from "@canopy/core";
import type { CoordinatedPlace } from "./coordinated-place.ts";

/** Says that a session waits or goes on; what Canopy runs says so by its turns. */
function setState(place: CoordinatedPlace, sessionId: string, state: "active" | "waiting"): void {
  const session = place.read((sql) => selectPresent(sql, sessionId));
  if (session === undefined || session.attemptId !== null || session.state === "ended") return;
  place.submit({ type: "presence.update", sessionId: brandId("session", sessionId), state });
}

/**
 * A wait as it is when it ends, or when `blockMs` is over. Looking and subscribing happen in one tick, so no end falls
 * between. An end that is returned counts as told. Throws `thing.not-found`.
 */
export async function watchWait(
  place: CoordinatedPlace,
  { sessionId, waitId }: { readonly sessionId: string; readonly waitId: string },
  blockMs: number,
  signal: AbortSignal,
): Promise<Wait> {
  const read = (): Wait => {
    const wait = place.read((sql) => selectWait(sql, waitId));
    if (wait === undefined || wait.sessionId !== sessionId)
      throw new CanopyError("thing.not-found", `no wait ${waitId} of yours`);
    return wait;
  };
  let wait = read();
  if (wait.state === "waiting" && blockMs > 0) {
    setState(place, sessionId, "waiting");
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = place.project.room.subscribe({
      events: (events) => {
        if (events.some(({ type }) => type === "wait.updated") && read().state !== "waiting") resolve();
      },
    });
    const timer = setTimeout(resolve, blockMs);
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    unsubscribe();
    setState(place, sessionId, "active");
    wait = read();
  }
  const isOver = wait.state !== "waiting";
  if (isOver && !wait.isTold && !signal.aborted) {
    place.submit({ type: "wait.acknowledge", sessionId: brandId("session", sessionId), waitId: wait.waitId });
  }
  return wait;
}
