import type { BuildJob, BuildOutcome, Candidate, LandItem } from "@canopy/protocol";

/** A commit of the fake repository: cells with values, as files with contents. */
export interface FakeCommit {
  readonly id: string;
  readonly parent: string | null;
  readonly cells: ReadonlyMap<string, string>;
  /** The change that this commit lands, null for the work of people and agents. */
  readonly lands: string | null;
}

/**
 * A repository in memory that merges as git does: three ways, cell by cell. It stands for the object database and the refs
 * in simulations, so that thousands of landings take a second.
 */
export class FakeRepository {
  readonly #commits = new Map<string, FakeCommit>();
  readonly #refs = new Map<string, string>();
  #count = 0;

  constructor(branch = "main") {
    this.#refs.set(`refs/heads/${branch}`, this.commit(null, new Map(), null).id);
  }

  /** Writes a commit. */
  commit(parent: string | null, cells: ReadonlyMap<string, string>, lands: string | null): FakeCommit {
    this.#count += 1;
    const commit = { id: `c${this.#count}`, parent, cells: new Map(cells), lands };
    this.#commits.set(commit.id, commit);
    return commit;
  }

  /** A commit that is there; asking for another one is a bug of the test. */
  read(id: string): FakeCommit {
    const commit = this.#commits.get(id);
    if (commit === undefined) throw new Error(`no commit ${id}`);
    return commit;
  }

  /** Writes a commit that sets cells on top of another. */
  edit(parent: string, edits: Readonly<Record<string, string>>, lands: string | null = null): FakeCommit {
    return this.commit(parent, new Map([...this.read(parent).cells, ...Object.entries(edits)]), lands);
  }

  readRef(ref: string): string | null {
    return this.#refs.get(ref) ?? null;
  }

  /** Moves a ref when it is where it is expected. */
  moveRef(ref: string, from: string | null, to: string): boolean {
    if (this.readRef(ref) !== from) return false;
    this.#refs.set(ref, to);
    return true;
  }

  /** The commits from one back to the first, newest first. */
  history(id: string): FakeCommit[] {
    const commits: FakeCommit[] = [];
    for (let at: string | null = id; at !== null;) {
      const commit = this.read(at);
      commits.push(commit);
      at = commit.parent;
    }
    return commits;
  }

  isAncestor(ancestor: string, descendant: string): boolean {
    return this.history(descendant).some((commit) => commit.id === ancestor);
  }

  /** A tree's name: the same cells have the same name. */
  treeOf(id: string): string {
    const cells = [...this.read(id).cells].sort(([left], [right]) => (left < right ? -1 : 1));
    return `t:${JSON.stringify(cells)}`;
  }

  /** Merges a change into a tip; names the cells that conflict. */
  merge(
    tip: string,
    change: { readonly commit: string; readonly baseCommit: string },
  ): {
    readonly cells: ReadonlyMap<string, string>;
    readonly conflicts: readonly string[];
  } {
    const base = this.read(change.baseCommit).cells;
    const theirs = this.read(change.commit).cells;
    const cells = new Map(this.read(tip).cells);
    const conflicts: string[] = [];
    for (const [cell, value] of theirs) {
      if (base.get(cell) === value || cells.get(cell) === value) continue;
      if (cells.get(cell) === base.get(cell)) cells.set(cell, value);
      else conflicts.push(cell);
    }
    return { cells, conflicts };
  }

  /** Builds a lane's candidates as a runner does. */
  build(job: BuildJob): {
    readonly refCommit: string | null;
    readonly tip: string;
    readonly isStale: boolean;
    readonly outcomes: BuildOutcome[];
  } {
    const refCommit = this.readRef(job.integrationRef);
    const tip = refCommit ?? this.readRef(`refs/heads/${job.baseBranch}`) ?? "";
    if (job.onto !== null && !this.isAncestor(tip, job.onto))
      return { refCommit, tip, isStale: true, outcomes: [] };
    let top = job.onto ?? tip;
    const outcomes = job.items.map((item) => {
      const outcome = this.#buildOne(item, tip, top);
      if (outcome.state === "built") top = outcome.candidate.commit;
      return outcome;
    });
    return { refCommit, tip, isStale: false, outcomes };
  }

  #buildOne(item: LandItem, tip: string, top: string): BuildOutcome {
    const { changeId } = item;
    const { cells, conflicts } = this.merge(top, item);
    if (conflicts.length > 0) {
      const alone = this.merge(tip, item).conflicts;
      if (top !== tip && alone.length === 0) return { state: "waits", changeId };
      return {
        state: "conflicted",
        changeId,
        conflicts: alone.map((path) => ({ path, kind: "content" })),
        message: `conflict in ${alone.join(", ")}`,
        canRegenerate: false,
      };
    }
    const before = this.read(top).cells;
    const isEmpty = [...cells].every(([cell, value]) => before.get(cell) === value);
    const commit = isEmpty ? top : this.commit(top, cells, changeId).id;
    const tree = this.treeOf(commit);
    const rung: Candidate["rung"] = isEmpty ? "identical" : "three-way";
    return {
      state: "built",
      candidate: { changeId, commit, tree, key: tree, isEmpty, rung, detail: "", paths: [] },
    };
  }
}
