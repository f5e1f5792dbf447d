/**
 * Collects the output of a process in bounded memory: the head and the tail are kept, 60 to 40, and what is left out
 * between them is counted.
 */
export class BoundedOutput {
  readonly #headChars: number;
  readonly #tailChars: number;
  #head = "";
  #tail = "";
  #leftOutChars = 0;

  constructor(maxChars: number) {
    this.#headChars = Math.floor(maxChars * 0.6);
    this.#tailChars = maxChars - this.#headChars;
  }

  /** Reads a stream to its end. Two streams may be read at the same time; their texts mix as they come. */
  async read(stream: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#add(decoder.decode(chunk, { stream: true }));
  }

  /** What was collected so far. */
  get text(): string {
    if (this.#leftOutChars === 0) return this.#head + this.#tail;
    return `${this.#head}\n[... ${this.#leftOutChars} characters left out ...]\n${this.#tail}`;
  }

  #add(text: string): void {
    const room = Math.max(0, this.#headChars - this.#head.length);
    this.#head += text.slice(0, room);
    const rest = this.#tail + text.slice(room);
    const cutChars = Math.max(0, rest.length - this.#tailChars);
    this.#leftOutChars += cutChars;
    this.#tail = rest.slice(cutChars);
  }
}
