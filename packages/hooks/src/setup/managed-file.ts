import type { TextInsertion } from "./text-insertion.ts";

/** A file of which a part, or all, is ours. Texts are without a mark of byte order. */
export interface ManagedFile {
  readonly path: string;
  /** The mode of a new file. */
  readonly mode: number;
  /** What has to be inserted into a text that has nothing of ours. Throws `config.invalid` and `conflict`. */
  readonly insert: (text: string) => TextInsertion[];
  /** Whether a text has all of ours as it should be, and nothing of ours besides. */
  readonly isCurrent: (text: string) => boolean;
  readonly hasOwn: (text: string) => boolean;
  /** A text without what is ours, by its structure. */
  readonly remove: (text: string) => string;
  /** Whether such a text says nothing, so that a file of ours need not stay. */
  readonly isNothing: (text: string) => boolean;
}

/** What set-up has to remember of a file to restore its bytes: where its own pieces lie. */
export interface SetupRecord {
  readonly path: string;
  /** SHA-256 of the file as it was left. */
  readonly hash: string;
  readonly pieces: readonly TextInsertion[];
  /** The file was not there before. */
  readonly isNew: boolean;
  /** The mode it had before a token went in; null for a new file. */
  readonly mode: number | null;
  /** Folders that were made for it, outermost first. */
  readonly folders: readonly string[];
}
