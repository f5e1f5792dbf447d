/** What one package may import: other packages, and packages from outside (`any` means whatever its package.json lists). */
export interface Layer {
  readonly packages: readonly string[];
  readonly external: readonly string[] | "any";
  /** False for code that also runs where there is no Node. Tests are exempt. */
  readonly mayUseNode: boolean;
  /** True for a package that only tests load: it may also use what the root lists as development dependencies. */
  readonly isDevelopmentOnly?: boolean;
}

const ALL_BELOW_APPS = [
  "protocol",
  "core",
  "store",
  "git",
  "workspace",
  "agents",
  "hooks",
  "runner",
  "server",
] as const;

/** Who may import whom: the table of AGENTS.md. Arrows go down only; siblings never import siblings. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  "packages/protocol": { packages: [], external: ["zod"], mayUseNode: false },
  "packages/core": { packages: ["protocol"], external: [], mayUseNode: false },
  "packages/store": { packages: ["protocol", "core"], external: "any", mayUseNode: true },
  "packages/git": { packages: ["protocol"], external: "any", mayUseNode: true },
  "packages/workspace": { packages: ["protocol"], external: "any", mayUseNode: true },
  "packages/agents": { packages: ["protocol"], external: "any", mayUseNode: true },
  "packages/hooks": { packages: ["protocol"], external: "any", mayUseNode: true },
  "packages/runner": {
    packages: ["protocol", "git", "workspace", "agents"],
    external: "any",
    mayUseNode: true,
  },
  "packages/server": { packages: ["protocol", "core"], external: "any", mayUseNode: false },
  "packages/client": { packages: ["protocol"], external: "any", mayUseNode: false },
  "packages/testkit": {
    packages: ["protocol", "core", "store", "agents"],
    external: "any",
    mayUseNode: true,
    isDevelopmentOnly: true,
  },
  "apps/daemon": { packages: ALL_BELOW_APPS, external: "any", mayUseNode: true },
  "apps/cli": {
    packages: ["protocol", "client", "daemon", "agents", "hooks"],
    external: "any",
    mayUseNode: true,
  },
};
