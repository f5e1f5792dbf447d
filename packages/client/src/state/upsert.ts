/** How two things are ordered: negative, 0 for the same thing, positive. */
export type Order<T> = (left: T, right: T) => number;

/** Compares texts the way SQLite does for ids. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The list with an item put in its place, instead of the one that is the same thing. The list itself stays. */
export function upsertSorted<T>(list: readonly T[], item: T, order: Order<T>): T[] {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle];
    if (other !== undefined && order(other, item) < 0) low = middle + 1;
    else high = middle;
  }
  const found = list[low];
  const isSame = found !== undefined && order(found, item) === 0;
  return list.toSpliced(low, isSame ? 1 : 0, item);
}

/** The list with an item instead of the one that is the same thing, or at the end. The list itself stays. */
export function upsertAtEnd<T>(list: readonly T[], item: T, isSame: (other: T) => boolean): T[] {
  const index = list.findLastIndex(isSame);
  return index === -1 ? [...list, item] : list.with(index, item);
}
