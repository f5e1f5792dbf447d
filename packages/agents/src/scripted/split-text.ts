/** Cuts a text into at most `count` pieces of about as many words each. Together they are the text. */
export function splitText(text: string, count: number): string[] {
  const words = text.match(/\s*\S+\s*$|\s*\S+/g) ?? [text];
  const pieceCount = Math.min(count, words.length);
  return Array.from({ length: pieceCount }, (_, index) => {
    const start = Math.floor((index * words.length) / pieceCount);
    const end = Math.floor(((index + 1) * words.length) / pieceCount);
    return words.slice(start, end).join("");
  });
}
