import type { AttemptJob, Capture as KeptCapture, ProjectConfig } from "@canopy/protocol";
import type { Capture, Person, Repository, ScopeRule } from "@canopy/git";
import { ATTEMPT_REF_PREFIX, COMMITS_REF_PREFIX, scopesOf, updateRefs, writeCommit } from "@canopy/git";
import { agentLabel } from "../landing/agent-label.ts";
import { commitPeople } from "../landing/commit-identity.ts";

/** What an attempt's commit says. */
export type AttemptLabel = Pick<
  AttemptJob,
  "attemptId" | "taskId" | "sessionId" | "title" | "agent" | "model"
> & {
  readonly askedBy: string;
};

/** What keepAttempt needs. */
export interface KeepOptions {
  readonly repository: Repository;
  readonly label: AttemptLabel;
  readonly baseCommit: string;
  readonly capture: Capture;
  readonly person: Person | null;
  readonly policy: ProjectConfig["commits"];
  readonly nowMs: number;
  /** What the commit says before its trailers; left out: the title and what the agent's own commits said. */
  readonly text?: string;
  /** The project's scopes, for the lane that the work lands in. */
  readonly scopes?: readonly ScopeRule[];
}

/** The task's title, then what the agent's own commits said. */
function composeMessage(title: string, capture: Capture): string {
  const parts = capture.agentCommits.map(({ subject, body }) =>
    body.trim() === "" ? `* ${subject}` : `* ${subject}\n\n${body.trim()}`,
  );
  return parts.length === 0 ? title : `${title}\n\n${parts.join("\n\n")}`;
}

/**
 * Keeps what an attempt did as one commit on its base under `refs/canopy/attempts/ID`, whatever becomes of the attempt.
 * The agent's own commits, if it made any, are kept under `refs/canopy/commits/ID`. Null when nothing had changed. Doing
 * it again for the same attempt moves the refs to the newer work.
 */
export async function keepAttempt(options: KeepOptions): Promise<KeptCapture | null> {
  const { repository, label, baseCommit, capture } = options;
  const base = await repository.readCommit(baseCommit);
  if (base.tree === capture.tree) return null;
  const people = commitPeople({
    policy: options.policy,
    person: options.person,
    askedBy: label.askedBy,
    agent: label.agent,
    model: label.model,
    nowMs: options.nowMs,
  });
  const agent = agentLabel(label.agent);
  const commit = await writeCommit(repository, {
    tree: capture.tree,
    parents: [baseCommit],
    author: people.author,
    committer: people.committer,
    message: options.text ?? composeMessage(label.title, capture),
    trailers: [
      { key: "Task", value: label.taskId },
      { key: "Agent", value: label.model === null ? agent : `${agent}/${label.model}` },
      { key: "Session", value: label.sessionId },
      { key: "Attempt", value: label.attemptId },
      ...people.trailers,
    ],
  });
  const ref = `${ATTEMPT_REF_PREFIX}${label.attemptId}`;
  const own =
    capture.agentHead === null || capture.agentCommits.length === 0
      ? []
      : [{ ref: `${COMMITS_REF_PREFIX}${label.attemptId}`, newCommit: capture.agentHead }];
  await updateRefs(repository, [{ ref, newCommit: commit }, ...own]);
  const paths = capture.changed.map((change) => change.path);
  return {
    ref,
    commit,
    tree: capture.tree,
    filesChanged: capture.changed.length,
    scopes:
      options.scopes === undefined || options.scopes.length === 0 ? null : scopesOf(paths, options.scopes),
  };
}
