import { z } from "zod";

/** A model that an agent offers; `id` is what `--model` takes. */
export const agentModelSchema = z.object({ id: z.string(), name: z.string(), isDefault: z.boolean() });

/** What an agent says of its models, as it is set up in a project. */
export const agentModelListSchema = z.object({
  agent: z.string(),
  /** False for an agent that does not say; `reason` has why, and any model is passed on to it. */
  canList: z.boolean(),
  reason: z.string().nullable(),
  models: z.array(agentModelSchema),
  /** Beginnings of names that it takes although it does not list them; the empty text: it takes any. */
  alsoTakes: z.array(z.string()),
});

/** A model that an agent offers. */
export type AgentModel = z.infer<typeof agentModelSchema>;
/** What an agent says of its models. */
export type AgentModelList = z.infer<typeof agentModelListSchema>;
