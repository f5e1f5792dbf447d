import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Socket } from "node:net";
import { CanopyError } from "@canopy/protocol";
import type { ObjectKind } from "./git-object.ts";
import { SAFE_GIT_OPTIONS, createGitEnvironment, spawnFailure } from "./run-git.ts";

/** An object as it was read. */
export interface GitObject {
  readonly objectId: string;
  readonly kind: ObjectKind;
  readonly content: Buffer;
}

/** Reads objects through one long-lived `git cat-file --batch`, which starts with the first read. */
export interface ObjectReader extends AsyncDisposable {
  /** The object that a name (id, ref, `commit:path`) stands for, or null when there is none. */
  read(name: string): Promise<GitObject | null>;
}

interface Waiting {
  readonly resolve: (object: GitObject | null) => void;
  readonly reject: (error: unknown) => void;
}

interface Header {
  readonly objectId: string;
  readonly kind: ObjectKind;
  readonly size: number;
}

function parseKind(text: string): ObjectKind | null {
  return text === "blob" || text === "tree" || text === "commit" || text === "tag" ? text : null;
}

function parseHeader(line: string): Header | null {
  const parts = line.split(" ");
  const kind = parseKind(parts[1] ?? "");
  if (parts.length !== 3 || kind === null) return null;
  return { objectId: parts[0] ?? "", kind, size: Number(parts[2]) };
}

/** One running `cat-file --batch`. Answers come in the order of the questions. */
class BatchProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: Waiting[] = [];
  #header: Header | null = null;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #stderr = "";
  readonly closed: Promise<void>;
  isOpen = true;

  constructor(gitDirectory: string) {
    const args = [...SAFE_GIT_OPTIONS, "cat-file", "--batch"];
    this.#child = spawn("git", args, {
      cwd: gitDirectory,
      env: { ...createGitEnvironment(), GIT_DIR: gitDirectory },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.on("data", (chunk: Buffer) => this.#accept(chunk));
    this.#child.stderr.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString("utf8")));
    this.closed = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#fail(spawnFailure(error, ["git", ...args], gitDirectory));
        resolve();
      });
      this.#child.on("close", (code) => {
        this.#fail(
          new CanopyError("git.failed", `git cat-file ended with ${String(code)} in ${gitDirectory}`, {
            data: { stderr: this.#stderr.slice(0, 10_000) },
          }),
        );
        resolve();
      });
    });
    // An idle reader must not keep the program running.
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      if (stream instanceof Socket) stream.unref();
    }
  }

  read(name: string): Promise<GitObject | null> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#keepAlive(true);
      this.#child.stdin.write(`${name}\n`);
    });
  }

  end(): Promise<void> {
    this.isOpen = false;
    // Whoever waits for the end must be able to: from here on the process counts again.
    this.#child.ref();
    this.#child.stdin.end();
    return this.closed;
  }

  #keepAlive(isNeeded: boolean): void {
    const stream = this.#child.stdout;
    if (!(stream instanceof Socket)) return;
    if (isNeeded) stream.ref();
    else stream.unref();
  }

  #fail(error: CanopyError): void {
    this.isOpen = false;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }

  #accept(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    // Joining only when an answer can be complete keeps a large blob from being copied once per chunk.
    if (this.#header !== null && this.#buffered < this.#header.size + 1) return;
    let data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let rest: Buffer | null = this.#take(data);
    while (rest !== null) {
      data = rest;
      rest = this.#take(data);
    }
    this.#chunks = data.length === 0 ? [] : [data];
    this.#buffered = data.length;
    if (this.#waiting.length === 0) this.#keepAlive(false);
  }

  /** Takes one header or one body off the front; null when it is not complete yet. */
  #take(data: Buffer): Buffer | null {
    if (this.#header !== null) {
      const { size, objectId, kind } = this.#header;
      if (data.length < size + 1) return null;
      this.#header = null;
      this.#waiting.shift()?.resolve({ objectId, kind, content: Buffer.from(data.subarray(0, size)) });
      return data.subarray(size + 1);
    }
    const newline = data.indexOf(0x0a);
    if (newline < 0) return null;
    this.#header = parseHeader(data.toString("utf8", 0, newline));
    if (this.#header === null) this.#waiting.shift()?.resolve(null);
    return data.subarray(newline + 1);
  }
}

/** Opens a reader of a repository's objects. Nothing is started before the first read; close it by disposing. */
export function openObjectReader(gitDirectory: string): ObjectReader {
  let batch: BatchProcess | null = null;
  return {
    read(name: string): Promise<GitObject | null> {
      if (name.includes("\n")) return Promise.resolve(null);
      if (batch === null || !batch.isOpen) batch = new BatchProcess(gitDirectory);
      return batch.read(name);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      const running = batch;
      batch = null;
      await running?.end();
    },
  };
}
