import type { Repository } from "./repository.ts";

/** The work to export: what `commit` changes since `base`. */
export interface PatchRequest {
  readonly base: string;
  readonly commit: string;
}

// In a message such a line would look like the start of a patch, or of another mail.
const CONFUSING = /^(?=diff |--- |---$|Index: |From )/gm;

/**
 * What a commit changes since a base as one patch in mail form, author and message in its header: `git am` and
 * `git apply` take it, binary files included. The person's diff settings do not matter. Lines of the message that look
 * like a patch are indented by a space.
 */
export async function exportPatch(repository: Repository, { base, commit }: PatchRequest): Promise<Buffer> {
  const header = await repository.git([
    "log",
    "-1",
    "--no-color",
    "--format=email",
    "--encoding=UTF-8",
    commit,
  ]);
  const diff = await repository.git([
    "diff-tree",
    "-p",
    "--stat",
    "--summary",
    "--binary",
    "--full-index",
    "--find-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    base,
    commit,
  ]);
  const mail = header.stdout.toString("latin1");
  const bodyAt = mail.indexOf("\n\n") + 2;
  const body = mail.slice(bodyAt).replace(CONFUSING, " ").trimEnd();
  const text = `${mail.slice(0, bodyAt)}${body}${body === "" ? "" : "\n"}---\n`;
  return Buffer.concat([Buffer.from(text, "latin1"), diff.stdout, Buffer.from("-- \nCanopy\n\n")]);
}
