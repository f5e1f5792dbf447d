import { createHash } from "node:crypto";
import { judgeModel } from "@canopy/agents";
import type { AgentModels } from "@canopy/agents";
import { integrationRefOf } from "@canopy/core";
import type { Repository } from "@canopy/git";
import type { AgentModelList, ProjectConfig } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import { listAgentModels } from "@canopy/runner";
import type { WorkspaceStore } from "@canopy/workspace";

/** Agents' lists change with their programs and a person's rights; asking takes up to a few seconds. */
const KEEP_MS = 600_000;
const ASK_MS = 60_000;

/** What asking agents needs of a project. */
export interface ProjectModelsOptions {
  readonly repository: Repository;
  readonly project: { readonly projectId: string; readonly name: string };
  readonly workspacesFor: (config: ProjectConfig) => Promise<WorkspaceStore>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The work tree that counts, and its configuration. */
export interface ModelPlace {
  readonly checkout: string;
  readonly config: ProjectConfig;
  readonly baseBranch: string;
}

/** A model that somebody named for an agent; `where` says to a person what asked for it. */
export interface WantedModel {
  readonly agent: string;
  readonly model: string;
  readonly where: string;
}

interface Kept {
  readonly atMs: number;
  readonly answer: Promise<AgentModels | null>;
}

/** What the agents of one project say of their models; an answer is kept for ten minutes. */
export class ProjectModels {
  readonly #options: ProjectModelsOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: ProjectModelsOptions) {
    this.#options = options;
  }

  /** Throws `usage.unknown-agent`, `agent.*` and `workspace.failed`. */
  async list(agent: string, place: ModelPlace): Promise<AgentModelList> {
    const found = await this.#ask(agent, place);
    const reason = `${agent} does not say which models it has; a name is passed on to it as it is`;
    if (found === null) return { agent, canList: false, reason, models: [], alsoTakes: [""] };
    return {
      agent,
      canList: true,
      reason: null,
      models: [...found.models],
      alsoTakes: [...found.alsoTakes],
    };
  }

  /**
   * Makes sure that agents have the models that were named for them. Throws `usage.unknown-model` with the nearest names. Returns
   * what could not be made sure of.
   */
  async require(wanted: readonly WantedModel[], place: ModelPlace): Promise<string[]> {
    const notices = new Set<string>();
    for (const want of wanted) {
      const notice = await this.#judge(want, place);
      if (notice !== null) notices.add(notice);
    }
    return [...notices];
  }

  async #judge({ agent, model, where }: WantedModel, place: ModelPlace): Promise<string | null> {
    const passedOn = `${model} is passed on to it as it is`;
    let list: AgentModels | null;
    try {
      list = await this.#ask(agent, place);
    } catch (error) {
      if (!isCanopyError(error) || error.code.startsWith("usage.")) throw error;
      return `${agent} could not be asked for its models (${error.message}); ${passedOn}`;
    }
    if (list === null) return `${agent} does not say which models it has; ${passedOn}`;
    const verdict = judgeModel(list, model);
    if (verdict.type === "listed") return null;
    if (verdict.type === "unlisted") return `${agent} does not list ${model}, but may have it; ${passedOn}`;
    throw new CanopyError("usage.unknown-model", `${where}: ${agent} has no model ${model}`, {
      hint: `the nearest are ${verdict.nearest.join(", ")}; all: canopy agent models ${agent}`,
      data: { agent, model, nearest: [...verdict.nearest] },
    });
  }

  #ask(agent: string, { checkout, config, baseBranch }: ModelPlace): Promise<AgentModels | null> {
    const { environment } = this.#options;
    const told = [agent, checkout, config.agents, config.sandbox, environment];
    const key = createHash("sha256").update(JSON.stringify(told)).digest("hex");
    const known = this.#kept.get(key);
    if (known !== undefined && Date.now() - known.atMs < KEEP_MS) return known.answer;
    const answer = this.#options.workspacesFor(config).then((workspaces) =>
      listAgentModels({
        ...this.#options,
        workspaces,
        checkout,
        config,
        agent,
        branch: { baseBranch, integrationRef: integrationRefOf(baseBranch) },
        signal: AbortSignal.timeout(ASK_MS),
      }),
    );
    for (const [other, { atMs }] of this.#kept) if (Date.now() - atMs >= KEEP_MS) this.#kept.delete(other);
    this.#kept.set(key, { atMs: Date.now(), answer });
    answer.catch(() => this.#kept.delete(key));
    return answer;
  }
}
