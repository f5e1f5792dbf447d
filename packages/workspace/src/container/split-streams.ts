import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";

const HEADER_BYTES = 8;

/** Output and errors of a process without a terminal. */
export interface SplitStreams {
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
}

/**
 * Takes apart the stream of an attached process: frames of a header (one byte that names the stream, three of nothing, four with
 * the length, most significant first) and content. Both outputs end with it. What is read slowly holds the engine back.
 */
export function splitStreams(source: Readable): SplitStreams {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let rest: Buffer = Buffer.alloc(0);
  const deliver = (kind: number, content: Buffer): void => {
    const target = kind === 2 ? stderr : stdout;
    if (target.writable && !target.write(content)) {
      source.pause();
      target.once("drain", () => source.resume());
    }
  };
  source.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(4);
      if (rest.length < HEADER_BYTES + length) break;
      deliver(rest.readUInt8(0), rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
      rest = rest.subarray(HEADER_BYTES + length);
    }
  });
  const end = (): void => {
    stdout.end();
    stderr.end();
  };
  source.once("end", end);
  source.once("close", end);
  source.once("error", end);
  return { stdout, stderr };
}
