import { durationSchema, sizeSchema } from "@canopy/protocol";
import { z } from "zod";

const paths = z.array(z.string().min(1)).default([]);
const extra = z.strictObject({ read_only: paths, copy_configs: paths }).prefault({});

/** `.canopy/sandbox.toml`, as the program that Canopy follows on from wrote it. */
export const seedSandboxSchema = z.strictObject({
  sandbox: z
    .strictObject({
      enabled: z.boolean().default(true),
      network: z.enum(["allow", "deny", "proxy"]).optional(),
    })
    .prefault({}),
  resources: z
    .strictObject({
      // Read as texts: they go through this program's own schema.
      max_memory: z.string().optional(),
      max_processes: z.int().min(1).optional(),
      max_open_files: z.int().min(1).optional(),
      max_disk: z.string().optional(),
      timeout: z.string().optional(),
    })
    .superRefine((value, context) => {
      for (const key of ["max_memory", "max_disk", "timeout"] as const) {
        const schema = key === "timeout" ? durationSchema : sizeSchema;
        const text = value[key];
        const issue = text === undefined ? undefined : schema.safeParse(text).error?.issues[0];
        if (issue !== undefined) context.addIssue({ code: "custom", path: [key], message: issue.message });
      }
    })
    .prefault({}),
  paths: z.strictObject({ read_only: paths, copy_configs: paths, cache_mounts: paths, extra }).prefault({}),
  security: z.strictObject({ blocked: z.array(z.string()).default([]) }).prefault({}),
});

/** Left out where nothing was said, so that this program's default counts. */
function given<T>(name: string, value: T | undefined): Record<string, T> {
  return value === undefined ? {} : { [name]: value };
}

/**
 * The same as this program's table `[sandbox]`, to be read by its schema. There, the sandbox was off or on: off is level `process`
 * here, which is what its agents then had. What it blocked by name is always blocked here; paths among them are blocked too.
 */
export function fromSeedSandbox(seed: z.infer<typeof seedSandboxSchema>): Record<string, unknown> {
  const { sandbox, resources, security } = seed;
  const network = sandbox.network === "proxy" ? "allowlist" : sandbox.network;
  const limits = {
    ...given("memory", resources.max_memory),
    // Fewer could not even start the agent.
    ...given(
      "processes",
      resources.max_processes === undefined ? undefined : Math.max(10, resources.max_processes),
    ),
    ...given(
      "open_files",
      resources.max_open_files === undefined ? undefined : Math.max(64, resources.max_open_files),
    ),
    ...given("disk", resources.max_disk),
    ...given("time", resources.timeout),
  };
  return {
    level: sandbox.enabled ? "sandbox" : "process",
    ...given("network", network),
    read_only: [...seed.paths.read_only, ...seed.paths.extra.read_only],
    copy_configs: [...seed.paths.copy_configs, ...seed.paths.extra.copy_configs],
    cache_mounts: seed.paths.cache_mounts,
    block: security.blocked.filter((each) => /^[~/]/.test(each)),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}
