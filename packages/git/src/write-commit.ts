import { CanopyError } from "@canopy/protocol";
import type { Person } from "./checkout-settings.ts";
import { isObjectId } from "./git-object.ts";
import type { Repository } from "./repository.ts";

/** A person with a point in time. `offsetMinutes` is east of UTC. */
export interface Signature extends Person {
  readonly atMs: number;
  readonly offsetMinutes?: number;
}

/** One line at the end of a commit message, such as `Task: tsk_1`. */
export interface Trailer {
  readonly key: string;
  readonly value: string;
}

/** What a commit is made of. */
export interface CommitInput {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Signature;
  readonly committer: Signature;
  readonly message: string;
  readonly trailers?: readonly Trailer[];
}

// Control characters but tab and newline; in a one-line value those go too.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f\u0080-\u009f\u2028\u2029]/g;

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(CONTROL, "").trim();
}

/**
 * A commit message: subject, body and trailers, with control characters removed and line ends made `\n`. A trailer's
 * value is folded to one line, so that text from an agent cannot forge another trailer. Keys keep letters, digits, `-`.
 */
export function formatCommitMessage(message: string, trailers: readonly Trailer[] = []): string {
  const text = message.replace(/\r\n?/g, "\n").replace(CONTROL, "");
  const lines = text.split("\n").map((line) => line.trimEnd());
  while (lines[0] === "") lines.shift();
  while (lines.at(-1) === "") lines.pop();
  const body = lines.length === 0 ? "(no message)" : lines.join("\n");
  const tail = trailers
    .map(({ key, value }) => ({ key: key.replace(/[^A-Za-z0-9-]/g, ""), value: oneLine(value) }))
    .filter(({ key, value }) => key !== "" && value !== "")
    .map(({ key, value }) => `${key}: ${value}`);
  return tail.length === 0 ? `${body}\n` : `${body}\n\n${tail.join("\n")}\n`;
}

function formatOffset(minutes: number): string {
  const absolute = Math.abs(Math.trunc(minutes));
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(absolute / 60))}${pad(absolute % 60)}`;
}

function formatSignature(signature: Signature): string {
  const clean = (text: string): string =>
    oneLine(text)
      .replace(/[<>]/g, "")
      .replace(/^[.,:;"'\s]+|[.,:;"'\s]+$/g, "");
  const name = clean(signature.name);
  const seconds = Math.max(0, Math.floor(signature.atMs / 1000));
  return `${name === "" ? "unknown" : name} <${clean(signature.email)}> ${seconds} ${formatOffset(signature.offsetMinutes ?? 0)}`;
}

/**
 * Writes a commit object in this process and answers its id. Moves no ref, runs no hook, signs nothing. The message
 * goes through `formatCommitMessage`. Throws `git.failed` for a malformed id; see `Repository.writeObject` for the rest.
 */
export async function writeCommit(
  repository: Pick<Repository, "writeObject">,
  input: CommitInput,
): Promise<string> {
  for (const id of [input.tree, ...input.parents]) {
    if (!isObjectId(id)) throw new CanopyError("git.failed", `not an object id: ${JSON.stringify(id)}`);
  }
  const lines = [
    `tree ${input.tree}`,
    ...input.parents.map((parent) => `parent ${parent}`),
    `author ${formatSignature(input.author)}`,
    `committer ${formatSignature(input.committer)}`,
    "",
    formatCommitMessage(input.message, input.trailers),
  ];
  return await repository.writeObject("commit", Buffer.from(lines.join("\n"), "utf8"));
}
