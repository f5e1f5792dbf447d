import { createTwoFilesPatch } from "diff";
import type { FileEdit } from "./plan-setup.ts";

/** The edits as a unified diff for a person, with secrets covered. */
export function diffEdits(edits: readonly FileEdit[], secrets: readonly string[]): string {
  const text = edits
    .map((edit) =>
      createTwoFilesPatch(
        edit.before === null ? "/dev/null" : edit.path,
        edit.after === null ? "/dev/null" : edit.path,
        edit.before ?? "",
        edit.after ?? "",
        undefined,
        undefined,
        { context: 3 },
      ).replace(/^=+\r?\n/, ""),
    )
    .join("");
  return secrets
    .filter((secret) => secret !== "")
    .reduce((covered, secret) => covered.replaceAll(secret, "[hook token]"), text);
}
