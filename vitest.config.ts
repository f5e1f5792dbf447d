import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

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
          testTimeout: 240_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
