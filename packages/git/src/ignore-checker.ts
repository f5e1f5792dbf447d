import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { CanopyError } from "@canopy/protocol";
import { createGitEnvironment, gitCommand, spawnFailure } from "./run-git.ts";

/** Asks git which untracked paths are ignored, through one process that starts with the first question. */
export interface IgnoreChecker extends AsyncDisposable {
  /** One answer per path (bytes as latin1, relative to the work tree), in order. */
  areIgnored(paths: readonly string[]): Promise<boolean[]>;
}

/** Where the question is asked. */
export interface IgnoreCheckerOptions {
  readonly gitDirectory: string;
  readonly workTree: string;
  readonly enter?: readonly string[];
}

const FIELDS_PER_ANSWER = 4;

interface Question {
  readonly count: number;
  readonly resolve: (answers: boolean[]) => void;
  readonly reject: (error: unknown) => void;
}

class CheckIgnoreProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #questions: Question[] = [];
  readonly #closed: Promise<void>;
  #fields: string[] = [];
  #partial = "";
  #stderr = "";

  constructor(options: IgnoreCheckerOptions) {
    // Not matching prints the pattern as empty; a negated pattern is a match that does not ignore.
    const args = ["-C", options.workTree, "check-ignore", "-z", "--stdin", "--verbose", "--non-matching"];
    const [program, ...rest] = gitCommand({
      args,
      ...(options.enter === undefined ? {} : { enter: options.enter }),
    });
    this.#child = spawn(program, rest, {
      cwd: options.gitDirectory,
      env: { ...createGitEnvironment(), GIT_DIR: options.gitDirectory, GIT_WORK_TREE: options.workTree },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.on("data", (chunk: Buffer) => this.#accept(chunk));
    this.#child.stderr.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString("utf8")));
    this.#closed = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#fail(spawnFailure(error, [program, ...rest], options.gitDirectory));
        resolve();
      });
      this.#child.on("close", (code) => {
        const data = { stderr: this.#stderr.slice(0, 10_000), workTree: options.workTree };
        this.#fail(
          new CanopyError("git.failed", `git check-ignore ended with ${String(code)}`, { data, retry: true }),
        );
        resolve();
      });
    });
  }

  ask(paths: readonly string[]): Promise<boolean[]> {
    return new Promise((resolve, reject) => {
      this.#questions.push({ count: paths.length, resolve, reject });
      this.#child.stdin.write(Buffer.from(`${paths.join("\0")}\0`, "latin1"));
    });
  }

  end(): Promise<void> {
    this.#child.stdin.end();
    return this.#closed;
  }

  #fail(error: CanopyError): void {
    for (const question of this.#questions.splice(0)) question.reject(error);
  }

  #accept(chunk: Buffer): void {
    const pieces = (this.#partial + chunk.toString("latin1")).split("\0");
    this.#partial = pieces.pop() ?? "";
    this.#fields.push(...pieces);
    for (;;) {
      const question = this.#questions[0];
      if (question === undefined || this.#fields.length < question.count * FIELDS_PER_ANSWER) return;
      this.#questions.shift();
      const fields = this.#fields.splice(0, question.count * FIELDS_PER_ANSWER);
      const patterns = fields.filter((_field, index) => index % FIELDS_PER_ANSWER === 2);
      question.resolve(patterns.map((pattern) => pattern !== "" && !pattern.startsWith("!")));
    }
  }
}

/** Opens a checker; nothing is started before the first path is asked about. The caller disposes it. */
export function openIgnoreChecker(options: IgnoreCheckerOptions): IgnoreChecker {
  let running: CheckIgnoreProcess | null = null;
  return {
    areIgnored(paths: readonly string[]): Promise<boolean[]> {
      if (paths.length === 0) return Promise.resolve([]);
      running ??= new CheckIgnoreProcess(options);
      return running.ask(paths);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await running?.end();
      running = null;
    },
  };
}
