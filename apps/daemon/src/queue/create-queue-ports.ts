import type { QueuePorts } from "@canopy/server";
import { loadConfig } from "../config/load-config.ts";
import type { ProjectHub } from "../projects/project-hub.ts";
import { applyKeptPatch, expireKeptPatches, exportKeptPatch, listKeptPatches } from "./kept-patches.ts";
import { readChangeConflict } from "./read-change-conflict.ts";
import { resolveChange } from "./resolve-change.ts";

/** The queue's endpoints on the repositories of this daemon's projects. */
export function createQueuePorts(hub: ProjectHub): QueuePorts {
  const wake = async (projectId: string): Promise<void> => {
    await (await hub.openById(projectId)).ensureRunner();
  };
  return {
    wake,
    readConflict: async (projectId, changeId) =>
      await readChangeConflict(await hub.openById(projectId), changeId),
    resolve: async (projectId, changeId, request, asked) => {
      const resolution = await resolveChange(await hub.openById(projectId), changeId, request, asked);
      await wake(projectId);
      return resolution;
    },
    listPatches: async (projectId) => await listKeptPatches(await hub.openById(projectId), Date.now()),
    exportPatch: async (projectId, ref) => await exportKeptPatch(await hub.openById(projectId), ref),
    applyPatch: async (projectId, ref, asked) => {
      const resolution = await applyKeptPatch(await hub.openById(projectId), ref, asked);
      await wake(projectId);
      return resolution;
    },
    expirePatches: async (projectId, isDryRun) => {
      const opened = await hub.openById(projectId);
      const { keep_attempts: attemptsMs, keep_failed: failedMs } = (await loadConfig(opened.project.path))
        .queue;
      return await expireKeptPatches(opened, {
        keep: { attemptsMs, failedMs },
        nowMs: Date.now(),
        isDryRun,
      });
    },
  };
}
