import { join } from "node:path";
import { CanopyError } from "@canopy/protocol";
import { readCheckoutSettings } from "./checkout-settings.ts";
import type { CheckoutSettings } from "./checkout-settings.ts";
import { EMPTY_TREE, parseCommitHeader, parseTree } from "./git-object.ts";
import type { CommitHeader, ObjectFormat, ObjectKind, Tree } from "./git-object.ts";
import { openObjectReader } from "./object-reader.ts";
import type { GitObject, ObjectReader } from "./object-reader.ts";
import { writeLooseObject } from "./object-writer.ts";
import { runGit } from "./run-git.ts";
import type { GitCall, GitOutput } from "./run-git.ts";

const CACHED_TREES = 20_000;
const CACHED_COMMITS = 20_000;

/** Least recently used values by key; immutable objects only, so nothing in it is ever stale. */
class BoundedCache<V> {
  readonly #values = new Map<string, V>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#values.set(key, value);
    if (this.#values.size <= this.#limit) return;
    const [oldest] = this.#values.keys();
    if (oldest !== undefined) this.#values.delete(oldest);
  }
}

/**
 * An open repository: its object database and refs, never its working tree. Safe to use from several callers at once.
 * Holds one `git cat-file` process, which disposing ends.
 */
export class Repository implements AsyncDisposable {
  readonly commonDir: string;
  readonly objectFormat: ObjectFormat;
  readonly objectDirectory: string;
  readonly #reader: ObjectReader;
  readonly #trees = new BoundedCache<Tree>(CACHED_TREES);
  readonly #commits = new BoundedCache<CommitHeader>(CACHED_COMMITS);
  #settings: Promise<CheckoutSettings> | null = null;

  constructor(commonDir: string, objectFormat: ObjectFormat) {
    this.commonDir = commonDir;
    this.objectFormat = objectFormat;
    this.objectDirectory = join(commonDir, "objects");
    this.#reader = openObjectReader(commonDir);
  }

  /** Runs git on this repository's common directory, with nobody's configuration but the repository's own. */
  git(args: readonly string[], options: Partial<Omit<GitCall, "args">> = {}): Promise<GitOutput> {
    return runGit({ cwd: this.commonDir, gitDir: this.commonDir, ...options, args });
  }

  /** The object with this name, or null. */
  readObject(name: string): Promise<GitObject | null> {
    return this.#reader.read(name);
  }

  /** Writes an object and answers its id. Codes: `disk.full`, `repository.read-only`, `git.failed`. */
  writeObject(kind: ObjectKind, content: Uint8Array): Promise<string> {
    return writeLooseObject(this, kind, content);
  }

  /** The tree with this id. Throws `git.failed` when there is none. Null stands for the empty tree. */
  async readTree(objectId: string | null): Promise<Tree> {
    if (objectId === null) return EMPTY_TREE;
    const cached = this.#trees.get(objectId);
    if (cached !== undefined) return cached;
    const object = await this.#readKind(objectId, "tree");
    const tree = parseTree(object.content, this.objectFormat);
    this.#trees.set(objectId, tree);
    return tree;
  }

  /** Tree, parents and date of the commit with this id. Throws `git.failed` when there is none. */
  async readCommit(objectId: string): Promise<CommitHeader> {
    const cached = this.#commits.get(objectId);
    if (cached !== undefined) return cached;
    const object = await this.#readKind(objectId, "commit");
    const header = parseCommitHeader(object.content);
    this.#commits.set(objectId, header);
    return header;
  }

  /** The person's configuration as far as it decides on file contents. Read once; see `refreshSettings`. */
  readSettings(): Promise<CheckoutSettings> {
    this.#settings ??= readCheckoutSettings(this.commonDir).catch((error: unknown) => {
      this.#settings = null;
      throw error;
    });
    return this.#settings;
  }

  /** Makes the next `readSettings` read the configuration again. */
  refreshSettings(): void {
    this.#settings = null;
  }

  async #readKind(objectId: string, kind: ObjectKind): Promise<GitObject> {
    const object = await this.#reader.read(objectId);
    if (object?.kind === kind) return object;
    const found = object === null ? "is missing" : `is a ${object.kind}`;
    throw new CanopyError("git.failed", `${kind} ${objectId} ${found} in ${this.commonDir}`, {
      data: { objectId, kind },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

/** What is needed to open a repository: see `readRepositoryIdentity`. */
export interface RepositoryLocation {
  readonly commonDir: string;
  readonly objectFormat: ObjectFormat;
}

/** Opens a repository. Nothing is read or started before it is needed; the caller disposes it. */
export function openRepository(location: RepositoryLocation): Repository {
  return new Repository(location.commonDir, location.objectFormat);
}
