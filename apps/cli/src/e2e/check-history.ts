/** One operation on one path as a client saw it: between the two times (monotonic, ms) it took effect at one instant, or it is no atomic one. */
export interface ObservedOperation {
  readonly client: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly type: "claim" | "release" | "renew" | "force" | "end";
  readonly ttlMs: number;
  /** `claim`: the fence when granted, null when refused. Others: 1 when something was held and changed, null when not. */
  readonly result: number | null;
}

/**
 * The checker's model of one path: who holds it, when that ends (as an interval, for the instant of the grant is only
 * known as one), and the last fence. Nobody holds it: client -1.
 */
interface State {
  readonly holder: number;
  readonly expiresMin: number;
  readonly expiresMax: number;
  readonly fence: number;
}

const FREE = { holder: -1, expiresMin: 0, expiresMax: 0 } as const;

/** Worlds in which the operation could take effect: the claim before it is still held, has just expired, or either. */
function worldsAt(state: State, { startMs, endMs }: ObservedOperation): State[] {
  if (state.holder === -1) return [state];
  const worlds: State[] = [];
  if (startMs < state.expiresMax) worlds.push(state);
  if (endMs >= state.expiresMin) worlds.push({ ...state, ...FREE });
  return worlds;
}

function applyClaim(state: State, operation: ObservedOperation): State | null {
  const { client, result, startMs, endMs, ttlMs } = operation;
  if (state.holder !== -1 && state.holder !== client) return result === null ? state : null;
  if (result === null) return null;
  const isOwn = state.holder === client;
  // A grant has a greater fence than all before; who holds already keeps its own and may be prolonged.
  if (isOwn ? result !== state.fence : result <= state.fence) return null;
  return {
    holder: client,
    fence: result,
    expiresMin: isOwn ? state.expiresMin : startMs + ttlMs,
    expiresMax: endMs + ttlMs,
  };
}

function apply(state: State, operation: ObservedOperation): State | null {
  const { client, type, result, startMs, endMs, ttlMs } = operation;
  const isOwn = state.holder === client;
  if (type === "claim") return applyClaim(state, operation);
  if (type === "end") return isOwn ? { ...state, ...FREE } : state;
  const isPossible = type === "force" ? state.holder !== -1 : isOwn;
  if ((result !== null) !== isPossible) return null;
  if (!isPossible) return state;
  return type === "renew"
    ? { ...state, expiresMin: startMs + ttlMs, expiresMax: endMs + ttlMs }
    : { ...state, ...FREE };
}

/**
 * Whether a history of one path is linearisable: some order of its operations, each at an instant between its start and
 * its end, gives all of its answers in the model. The search of Wing and Gong ("Testing and verifying concurrent
 * objects", 1993) with the memory of seen configurations of Lowe (2017). Null when it is, else the longest order found.
 */
export function findBreach(history: readonly ObservedOperation[]): readonly ObservedOperation[] | null {
  const operations = history.toSorted((a, b) => a.startMs - b.startMs);
  const seen = new Set<string>();
  let longest: readonly ObservedOperation[] = [];
  const done = new Set<number>();
  const order: ObservedOperation[] = [];
  const search = (first: number, state: State): boolean => {
    let from = first;
    while (done.has(from)) from += 1;
    if (from === operations.length) return true;
    const key = `${from}:${[...done].filter((index) => index > from).join(",")}:${JSON.stringify(state)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    let earliestEnd = Infinity;
    for (let index = from; index < operations.length; index += 1) {
      const operation = operations[index];
      if (operation === undefined || operation.startMs > earliestEnd) break;
      if (done.has(index)) continue;
      earliestEnd = Math.min(earliestEnd, operation.endMs);
      for (const world of worldsAt(state, operation)) {
        const next = apply(world, operation);
        if (next === null) continue;
        done.add(index);
        order.push(operation);
        if (order.length > longest.length) longest = [...order];
        if (search(from, next)) return true;
        order.pop();
        done.delete(index);
      }
    }
    return false;
  };
  return search(0, { ...FREE, fence: 0 }) ? null : longest;
}
