import type { AgentModel, AgentModels } from "../agent-driver.ts";
import type { ConfigOption, SessionResult } from "./acp-schema.ts";

/** The setting of a session that chooses its model, null when it has none. */
export function findModelOption(settings: SessionResult): ConfigOption | null {
  return settings.configOptions?.find((option) => option.category === "model") ?? null;
}

interface Choice {
  readonly value: string;
  readonly name: string;
}

function isChoice(value: unknown): value is Choice {
  return typeof value === "object" && value !== null && "value" in value && typeof value.value === "string";
}

/** Choices stand in a list, or in groups of one. */
function choicesOf(option: ConfigOption): Choice[] {
  return (option.options ?? []).flatMap((entry) =>
    isChoice(entry) ? [entry] : Array.isArray(entry.options) ? entry.options.filter(isChoice) : [],
  );
}

/** The models that a session may choose from, and the one that it begins with. It takes no others. */
export function listAcpModels(settings: SessionResult): AgentModels {
  const option = findModelOption(settings);
  const currentId = option === null ? settings.models?.currentModelId : option.currentValue;
  const models: AgentModel[] =
    option === null
      ? (settings.models?.availableModels ?? []).map(({ modelId, name }) => ({
          id: modelId,
          name: name ?? modelId,
          isDefault: modelId === currentId,
        }))
      : choicesOf(option).map(({ value, name }) => ({
          id: value,
          name: name === "" ? value : name,
          isDefault: value === currentId,
        }));
  const isListed = models.some((model) => model.id === currentId);
  if (!isListed && typeof currentId === "string" && models.length > 0)
    models.unshift({ id: currentId, name: currentId, isDefault: true });
  return { models, alsoTakes: [] };
}
