import { z } from "zod";
import type { AgentModel, AgentModels } from "../agent-driver.ts";
import type { CodexLink } from "./codex-link.ts";

const MAX_PAGES = 20;
const OWN_PROVIDER = "openai";

const pageSchema = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      displayName: z.string().optional(),
      isDefault: z.boolean().catch(false),
    }),
  ),
  nextCursor: z.string().nullish().catch(null),
});

const configSchema = z.looseObject({
  config: z.looseObject({ model_provider: z.string().nullish().catch(null) }),
});

/** Asks for all models, hidden ones too: they can be named. A provider of the person's own has models that codex does not know. */
export async function listCodexModels(link: CodexLink, cwd: string): Promise<AgentModels | null> {
  const models: AgentModel[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await link.request("model/list", { includeHidden: true, cursor });
    const parsed = pageSchema.safeParse(answer);
    if (!parsed.success) return null;
    for (const { id, displayName, isDefault } of parsed.data.data)
      models.push({ id, name: displayName ?? id, isDefault });
    cursor = parsed.data.nextCursor ?? null;
    if (cursor === null) break;
  }
  const config = configSchema.safeParse(await link.request("config/read", { cwd }).catch(() => null));
  const provider = config.data?.config.model_provider ?? OWN_PROVIDER;
  return { models, alsoTakes: provider === OWN_PROVIDER ? [] : [""] };
}
