import type { ProjectConfig } from "@canopy/protocol";
import type { Person, Signature, Trailer } from "@canopy/git";
import { agentLabel } from "./agent-label.ts";

/** Whose work a commit is. */
export interface Authorship {
  readonly policy: ProjectConfig["commits"];
  /** The person of the repository's configuration, or null when it names nobody. */
  readonly person: Person | null;
  readonly askedBy: string;
  readonly agent: string;
  readonly model: string | null;
  readonly nowMs: number;
}

/** Who a commit names: author, committer, and the trailer for the other one. */
export interface CommitPeople {
  readonly author: Signature;
  readonly committer: Signature;
  readonly trailers: readonly Trailer[];
}

function agentPerson(agent: string, model: string | null): Person {
  const label = agentLabel(agent);
  const name = model === null ? label : `${label} (${model})`;
  return { name, email: `${label.replaceAll(/[^A-Za-z0-9._-]/g, "-")}@agents.canopy.invalid` };
}

function askingPerson(authorship: Authorship): Person {
  if (authorship.person !== null) return authorship.person;
  const { askedBy } = authorship;
  return askedBy.includes("@")
    ? { name: askedBy.slice(0, askedBy.indexOf("@")), email: askedBy }
    : { name: askedBy, email: `${askedBy.replaceAll(/[^A-Za-z0-9._-]/g, "-")}@canopy.invalid` };
}

/** Applies the authorship policy: the person who asked, co-authored by the agent, or the other way round. */
export function commitPeople(authorship: Authorship): CommitPeople {
  const asker = askingPerson(authorship);
  const agent = agentPerson(authorship.agent, authorship.model);
  const isAgentAuthor = authorship.policy.author === "agent";
  const author = isAgentAuthor ? agent : asker;
  const other = isAgentAuthor ? asker : agent;
  return {
    author: { ...author, atMs: authorship.nowMs },
    committer: { ...asker, atMs: authorship.nowMs },
    trailers: authorship.policy.co_author
      ? [{ key: "Co-authored-by", value: `${other.name} <${other.email}>` }]
      : [],
  };
}
