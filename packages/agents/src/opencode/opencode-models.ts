import { z } from "zod";
import type { AgentModels } from "../agent-driver.ts";

const modelSchema = z.looseObject({
  name: z.string().optional(),
  capabilities: z
    .looseObject({ input: z.looseObject({ image: z.boolean().catch(true) }).optional() })
    .optional()
    .catch(undefined),
});

const providersSchema = z.looseObject({
  providers: z.array(z.looseObject({ id: z.string(), models: z.record(z.string(), modelSchema).catch({}) })),
  default: z.record(z.string(), z.string()).catch({}),
});

const configSchema = z.looseObject({ model: z.string().optional().catch(undefined) });

/** The models in an answer to `/config/providers`, as `PROVIDER/MODEL`. It knows no others. */
export function listOpenCodeModels(providers: unknown, config: unknown): AgentModels | null {
  const parsed = providersSchema.safeParse(providers);
  if (!parsed.success) return null;
  const own = configSchema.safeParse(config).data?.model;
  const models = parsed.data.providers.flatMap(({ id, models: offered }) =>
    Object.entries(offered).map(([modelId, { name }]) => ({
      id: `${id}/${modelId}`,
      name: name ?? modelId,
      isDefault: own === `${id}/${modelId}`,
    })),
  );
  return { models, alsoTakes: [] };
}

/** Whether the model of a session, or the first one of what is set up, takes images; true where that is not said. */
export function takesImages(providers: unknown, model: string | null): boolean {
  const parsed = providersSchema.safeParse(providers);
  if (!parsed.success) return true;
  const [first] = Object.entries(parsed.data.default);
  const [providerId, ...rest] = (model ?? first?.join("/") ?? "").split("/");
  const provider = parsed.data.providers.find((candidate) => candidate.id === providerId);
  return provider?.models[rest.join("/")]?.capabilities?.input?.image ?? true;
}
