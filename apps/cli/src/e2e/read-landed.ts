import { userGit } from "./create-test-repository.ts";

/** A commit of the integration branch, with what Canopy wrote into it. */
export interface LandedCommit {
  readonly commit: string;
  readonly parents: readonly string[];
  readonly subject: string;
  readonly author: string;
  readonly committer: string;
  readonly trailers: Readonly<Record<string, readonly string[]>>;
}

const FIELDS = ["%H", "%P", "%s", "%an <%ae>", "%cn <%ce>", "%(trailers:only,unfold)"].join("%x00");

function parseTrailers(text: string): Record<string, string[]> {
  const trailers: Record<string, string[]> = {};
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const colon = line.indexOf(": ");
    (trailers[line.slice(0, colon)] ??= []).push(line.slice(colon + 2));
  }
  return trailers;
}

/** Reads the commits of a range such as `main..canopy/main`, oldest first. */
export async function readLanded(repository: string, range: string): Promise<LandedCommit[]> {
  const output = await userGit(
    repository,
    "log",
    "--reverse",
    "--topo-order",
    `--format=${FIELDS}%x01`,
    range,
  );
  return output
    .split("\u0001")
    .map((entry) => entry.replace(/^\n/, ""))
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [commit = "", parents = "", subject = "", author = "", committer = "", trailers = ""] =
        entry.split("\0");
      return {
        commit,
        parents: parents.split(" ").filter((parent) => parent !== ""),
        subject,
        author,
        committer,
        trailers: parseTrailers(trailers),
      };
    });
}

/** The ids of the tasks that landed in a range, in landing order; commits of people are left out. */
export async function readLandedTasks(repository: string, range: string): Promise<string[]> {
  return (await readLanded(repository, range)).flatMap((each) => each.trailers["Task"] ?? []);
}

/** What a commit changed against its first parent: `A path`, `M path`, `D path`, `T path`, sorted, renames not sought. */
export async function readChangedPaths(repository: string, commit: string): Promise<string[]> {
  const output = await userGit(
    repository,
    "diff-tree",
    "-r",
    "-z",
    "--no-renames",
    "--name-status",
    "--no-commit-id",
    `${commit}^`,
    commit,
  );
  const fields = output.split("\0").filter((field) => field !== "");
  const changed: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2)
    changed.push(`${fields[index]} ${fields[index + 1]}`);
  return changed.sort();
}
