import { Buffer } from "node:buffer";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** What to do with a line that is longer than allowed: leave it out, or hand it on in pieces. */
export type LongLinePolicy = "drop" | "split";

/**
 * Cuts a byte stream into lines without their line ends, holding at most `maxBytes` of an unfinished line. Pieces of a
 * split line end at a UTF-8 character boundary.
 */
export class ByteLines {
  readonly #maxBytes: number;
  readonly #policy: LongLinePolicy;
  #parts: Uint8Array[] = [];
  #length = 0;
  #isSkipping = false;
  #droppedCount = 0;

  constructor(maxBytes: number, policy: LongLinePolicy) {
    this.#maxBytes = maxBytes;
    this.#policy = policy;
  }

  /** How many lines were left out because they were too long. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** Takes a chunk and yields each line that it completes. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      yield* this.#append(piece);
      if (end === -1) return;
      start = end + 1;
      const line = this.#finishLine();
      if (line !== null) yield line;
    }
  }

  /** The last line when it has no line end; null when nothing is left. */
  flush(): Uint8Array | null {
    if (this.#length === 0) return null;
    return this.#finishLine();
  }

  *#append(piece: Uint8Array): Generator<Uint8Array> {
    if (this.#isSkipping || piece.length === 0) return;
    this.#parts.push(piece);
    this.#length += piece.length;
    if (this.#length <= this.#maxBytes) return;
    if (this.#policy === "drop") {
      this.#isSkipping = true;
      this.#droppedCount += 1;
      this.#parts = [];
      this.#length = 0;
      return;
    }
    let rest = this.#join();
    while (rest.length > this.#maxBytes) {
      const cut = boundaryBefore(rest, this.#maxBytes);
      yield rest.subarray(0, cut);
      rest = rest.subarray(cut);
    }
    this.#parts = [rest];
    this.#length = rest.length;
  }

  #finishLine(): Uint8Array | null {
    if (this.#isSkipping) {
      this.#isSkipping = false;
      return null;
    }
    const line = this.#join();
    this.#parts = [];
    this.#length = 0;
    return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
  }

  #join(): Uint8Array {
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only !== undefined) return only;
    return Buffer.concat(this.#parts, this.#length);
  }
}

function boundaryBefore(bytes: Uint8Array, limit: number): number {
  let cut = limit;
  while (cut > limit - 4 && cut > 1 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut -= 1;
  return cut;
}

/** Keeps the last characters of a text that may be endless. */
export class TextTail {
  readonly #maxChars: number;
  #text = "";

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** Adds text at the end. */
  push(text: string): void {
    this.#text += text;
    if (this.#text.length > this.#maxChars * 2) this.#text = this.#text.slice(-this.#maxChars);
  }

  /** Forgets everything. */
  clear(): void {
    this.#text = "";
  }

  /** At most `maxChars` characters. */
  get text(): string {
    if (this.#text.length <= this.#maxChars) return this.#text;
    const tail = this.#text.slice(-this.#maxChars);
    return tail.isWellFormed() ? tail : tail.toWellFormed();
  }
}
