import { CanopyError } from "@canopy/protocol";
import type { ManagedFile } from "./managed-file.ts";

/** A file that is ours as a whole. One of the same name without the mark is someone else's, and refused as a `conflict`. */
export function createOwnedFile(options: {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
  /** A text that says in every version of the file that it is ours. */
  readonly mark: string;
}): ManagedFile {
  const { path, mode, content, mark } = options;
  return {
    path,
    mode,
    insert: (text) => {
      if (text !== "")
        throw new CanopyError("conflict", `${path} is there already, and is not of our making`, {
          hint: "move it away; nothing was changed",
        });
      return [{ offset: 0, text: content }];
    },
    isCurrent: (text) => text === content,
    hasOwn: (text) => text.includes(mark),
    remove: (text) => (text.includes(mark) ? "" : text),
    isNothing: (text) => text === "",
  };
}
