import type { ProjectConfig, RunOptions, Task } from "@canopy/protocol";
import type { WantedModel } from "./project-models.ts";

type Rung = "resolver" | "repair";

/** As the merge queue chooses: a model goes with the agent that it was said for. */
function wantedByRung(options: RunOptions, config: ProjectConfig, rung: Rung): WantedModel[] {
  const role = options.roles[rung];
  const own = config.queue[rung];
  const agent = role?.agent ?? own.agent ?? options.agent;
  const model = role?.model ?? (role?.agent === undefined ? own.model : undefined);
  return model === undefined ? [] : [{ agent, model, where: `the model of the ${rung} agent` }];
}

/** The models that a run, its roles and its tasks name, each with the agent that shall have it. */
export function wantedModels(
  options: RunOptions,
  config: ProjectConfig,
  tasks: readonly Task[],
): WantedModel[] {
  const { agent, model } = options;
  const cheaper = config.budgets.cheaper_model;
  const all: WantedModel[] = [
    ...(model === null ? [] : [{ agent, model, where: "the model of the run" }]),
    ...(["resolver", "repair"] as const).flatMap((rung) => wantedByRung(options, config, rung)),
    ...(cheaper === undefined || config.budgets.at_limit !== "cheaper"
      ? []
      : [{ agent, model: cheaper, where: "[budgets] cheaper_model" }]),
    ...tasks.flatMap((task) =>
      task.model === null
        ? []
        : [{ agent: task.agent ?? agent, model: task.model, where: `the model of task #${task.number}` }],
    ),
  ];
  const isSame = (left: WantedModel, right: WantedModel): boolean =>
    left.agent === right.agent && left.model === right.model;
  return all.filter((want, index) => all.findIndex((other) => isSame(other, want)) === index);
}
