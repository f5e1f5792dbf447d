const DEFAULT_WITHIN_MS = 60_000;
const PAUSE_MS = 20;

/**
 * Asks again and again until there is an answer, and returns it. Throws, naming `what` was waited for, when the time is
 * over; what `ask` throws goes through.
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | null> | T | null,
  withinMs: number = DEFAULT_WITHIN_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
