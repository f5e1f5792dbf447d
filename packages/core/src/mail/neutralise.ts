const ESCAPE_START = /[\p{Cc}]\[[0-?]*[ -/]*[@-~]/gu;

/**
 * Makes a peer's text harmless where an agent reads it: one line, no control characters or terminal sequences, nothing
 * invisible or that turns the direction of reading (Unicode's bidirectional controls, zero-width characters, tags), and
 * no angle brackets or code fences with which it could close the frame that it stands in.
 */
export function neutralise(text: string): string {
  return text
    .replaceAll(ESCAPE_START, "")
    .replaceAll(/\s+/gu, " ")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, "")
    .replaceAll("<", "‹")
    .replaceAll(">", "›")
    .replaceAll("`", "'")
    .replaceAll(/["“”]/gu, "'")
    .trim();
}

/** Cuts a text to a length, on a character, with a mark that something is missing. */
export function shorten(text: string, maxChars: number): string {
  const characters = Array.from(text);
  return characters.length <= maxChars ? text : `${characters.slice(0, Math.max(0, maxChars - 1)).join("")}…`;
}
