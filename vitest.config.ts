import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Tests of the real agents, which need programs that are installed beside the dependencies. */
const AGENT_TESTS = [
  "packages/agents/src/**/*.e2e.test.ts",
  "packages/hooks/src/**/*.e2e.test.ts",
  "apps/cli/src/e2e/{agent,real}-*.e2e.test.ts",
];

export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          include: [
            "packages/*/src/**/*.test.ts",
            "apps/*/src/**/*.test.ts",
            "tools/**/*.test.ts",
            "bench/**/*.test.ts",
          ],
          exclude: ["**/*.do.test.ts", "**/*.e2e.test.ts", "**/node_modules/**"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            main: "./packages/store/src/contract/contract-worker.do.ts",
            remoteBindings: false,
            miniflare: {
              compatibilityDate: "2026-09-01",
              durableObjects: { ROOMS: { className: "ContractRoom", useSQLite: true } },
            },
          }),
        ],
        test: { name: "do", include: ["packages/*/src/**/*.do.test.ts"], testTimeout: 60_000 },
      },
      {
        test: {
          name: "e2e",
          environment: "node",
          // Real processes, mounts and kills on a machine that others use too: a second try, which the report names.
          retry: 1,
          include: ["packages/*/src/**/*.e2e.test.ts", "apps/*/src/**/*.e2e.test.ts"],
          exclude: [...AGENT_TESTS, "**/node_modules/**"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "e2e-agents",
          environment: "node",
          retry: 1,
          include: AGENT_TESTS,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          maxWorkers: 2,
          // After the other end-to-end tests, never beside them: those have time-outs to keep.
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
