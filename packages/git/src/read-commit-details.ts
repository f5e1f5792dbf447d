import { CanopyError } from "@canopy/protocol";
import type { Repository } from "./repository.ts";
import type { Signature } from "./write-commit.ts";

/** Who wrote a commit, and what it says. */
export interface CommitDetails {
  readonly author: Signature;
  readonly message: string;
}

const AUTHOR = /^author (.*?) ?<(.*)> (\d+) ([+-])(\d\d)(\d\d)$/m;

function decodeText(bytes: Buffer, encoding: string): string {
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}

function parseAuthor(header: string): Signature {
  const [, name = "", email = "", seconds = "0", sign = "+", hours = "0", minutes = "0"] =
    AUTHOR.exec(header) ?? [];
  const offset = Number(hours) * 60 + Number(minutes);
  return { name, email, atMs: Number(seconds) * 1000, offsetMinutes: sign === "-" ? -offset : offset };
}

/** Reads author, date and message of a commit. Throws `git.failed` when there is no such commit. */
export async function readCommitDetails(repository: Repository, commit: string): Promise<CommitDetails> {
  const object = await repository.readObject(commit);
  if (object?.kind !== "commit") {
    throw new CanopyError("git.failed", `commit ${commit} is not there`, { data: { commit } });
  }
  const { content } = object;
  const found = content.indexOf("\n\n");
  const end = found < 0 ? content.length : found;
  const encoding = /^encoding (\S+)$/m.exec(content.toString("latin1", 0, end))?.[1] ?? "utf-8";
  return {
    author: parseAuthor(decodeText(content.subarray(0, end), encoding)),
    message: decodeText(content.subarray(Math.min(end + 2, content.length)), encoding),
  };
}
