/** A piece of text that goes in at an offset of the old text. Set-up only ever inserts, so taking the pieces out again restores every byte. */
export interface TextInsertion {
  readonly offset: number;
  readonly text: string;
}

/** The text with all pieces in; pieces of one offset go in the order given. */
export function insertAll(text: string, insertions: readonly TextInsertion[]): string {
  let result = "";
  let from = 0;
  for (const { offset, text: piece } of sortByOffset(insertions)) {
    result += text.slice(from, offset) + piece;
    from = offset;
  }
  return result + text.slice(from);
}

/** Where the pieces lie in the new text. */
export function shiftAll(insertions: readonly TextInsertion[]): TextInsertion[] {
  let shift = 0;
  return sortByOffset(insertions).map(({ offset, text }) => {
    const at = offset + shift;
    shift += text.length;
    return { offset: at, text };
  });
}

/** Takes pieces out again by their places in the new text. Null when one of them is not there any more. */
export function cutAll(text: string, pieces: readonly TextInsertion[]): string | null {
  let result = "";
  let from = 0;
  for (const { offset, text: piece } of sortByOffset(pieces)) {
    if (offset < from || !text.startsWith(piece, offset)) return null;
    result += text.slice(from, offset);
    from = offset + piece.length;
  }
  return result + text.slice(from);
}

/** Takes pieces out of a text that changed around them. Null unless each is there exactly once, in order. */
export function findAndCutAll(text: string, pieces: readonly TextInsertion[]): string | null {
  const places: TextInsertion[] = [];
  let from = 0;
  for (const { text: piece } of sortByOffset(pieces)) {
    const offset = text.indexOf(piece, from);
    if (offset === -1) return null;
    // A comma alone may be anyone's; a real piece that is there twice could be the wrong one.
    if (piece.length > 3 && text.indexOf(piece, offset + 1) !== -1) return null;
    places.push({ offset, text: piece });
    from = offset + piece.length;
  }
  return cutAll(text, places);
}

function sortByOffset(insertions: readonly TextInsertion[]): TextInsertion[] {
  return insertions
    .map((insertion, index) => ({ insertion, index }))
    .sort((left, right) => left.insertion.offset - right.insertion.offset || left.index - right.index)
    .map(({ insertion }) => insertion);
}
