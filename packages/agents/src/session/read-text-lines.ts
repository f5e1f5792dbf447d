/**
 * The lines of a stream, the last one also without an end. Not readline's: those also end at U+2028 and U+2029, which may stand in
 * a line of JSON. For programs that run beside an agent: it imports nothing.
 */
export async function* readTextLines(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  for await (const chunk of stream) {
    const text = chunk instanceof Uint8Array ? decoder.decode(chunk, { stream: true }) : String(chunk);
    const [first = "", ...more] = text.split("\n");
    parts.push(first);
    for (const line of more) {
      yield parts.join("");
      parts = [line];
    }
  }
  const rest = parts.join("");
  if (rest !== "") yield rest;
}
