import { z } from "zod";
import { durationSchema } from "./duration.ts";

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  TB: 2 ** 40,
};

/** Reads `512MB`, `4 GB` or `1.5GB` as bytes (powers of 1024); undefined when it is none of them. */
export function parseSizeBytes(text: string): number | undefined {
  const [, amount, unit = "B"] = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)$/i.exec(text.trim()) ?? [];
  const factor = BYTE_UNITS[unit.toUpperCase()];
  return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor);
}

/** A size in a configuration file: a text such as `4GB`, read as bytes. */
export const sizeSchema = z.string().transform((text, context) => {
  const bytes = parseSizeBytes(text);
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: "custom", message: `'${text}' is not a size such as "512MB" or "4GB"` });
  return z.NEVER;
});

const levelSchema = z.enum(["none", "process", "sandbox", "container"]);
const networkSchema = z.enum(["deny", "allow", "allowlist"]);
const pathSchema = z.string().regex(/^(~|\/)/, "an absolute path, or one that begins with ~/");
const hostSchema = z
  .string()
  .regex(
    /^(\[[0-9a-fA-F:]+\]|(\*\.)?[A-Za-z0-9._-]+)(:\d{1,5})?$/,
    'a host such as "example.com", "*.example.com" or "example.com:8443"',
  );

/** What is said for one agent or one role; what is left out is the project's. */
const overrideSchema = z.strictObject({
  level: levelSchema.optional(),
  network: networkSchema.optional(),
  allow: z.array(hostSchema).optional(),
});

/** The table `[sandbox]`. */
export const sandboxConfigSchema = z.strictObject({
  level: levelSchema.default("sandbox"),
  network: networkSchema.default("allowlist"),
  /** Hosts beside package registries and the agent's own model provider. */
  allow: z.array(hostSchema).default([]),
  read_only: z.array(pathSchema).default([]),
  cache_mounts: z.array(pathSchema).default([]),
  /** The person's own caches of package managers, as they are: each workspace writes into a copy of its own. */
  tool_caches: z.boolean().default(true),
  /** Files and folders of settings that are copied into the private HOME. */
  copy_configs: z.array(pathSchema).default([]),
  /** More paths that are never shown. */
  block: z.array(pathSchema).default([]),
  /** Blocked paths that are shown all the same: exactly these. */
  permit: z.array(pathSchema).default([]),
  limits: z
    .strictObject({
      memory: sizeSchema.optional(),
      processes: z.int().min(10).optional(),
      open_files: z.int().min(64).optional(),
      /** All that a workspace's processes write, together; also the largest file. */
      disk: sizeSchema.optional(),
      /** How many files and folders they make. */
      files: z.int().min(100).optional(),
      /** How long a workspace's processes may run, all in all. */
      time: durationSchema.optional(),
      cpus: z.number().min(0.1).optional(),
    })
    .prefault({ processes: 4096 }),
  /** environment: agents get the keys that are named for them. proxy: the egress proxy adds them, agents get a placeholder. */
  credentials: z.enum(["environment", "proxy"]).default("environment"),
  /** For level `container`. */
  container: z
    .strictObject({
      image: z.string().min(1).optional(),
      /** The socket of Docker or Podman, when it is not one of the usual. */
      engine: z.string().regex(/^\//, "an absolute path").optional(),
    })
    .prefault({}),
  agents: z.record(z.string(), overrideSchema).default({}),
  roles: z.partialRecord(z.enum(["worker", "validation", "resolver", "repair"]), overrideSchema).default({}),
});

/** The table `[sandbox]`, defaults filled in. */
export type SandboxConfig = z.infer<typeof sandboxConfigSchema>;
/** What a process is started for. */
export type SandboxRole = "worker" | "validation" | "resolver" | "repair";
