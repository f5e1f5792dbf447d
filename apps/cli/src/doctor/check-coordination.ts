import { join } from "node:path";
import type { Project } from "@canopy/protocol";
import { isCanopyError } from "@canopy/protocol/errors";
import type { Finding } from "@canopy/daemon/doctor";
import { daemonPaths } from "../connection/ensure-daemon.ts";
import { openDaemonApi, readField } from "../connection/project-api.ts";

/** What a look found, and whether it was mended. */
export type CheckedFinding = Omit<Finding, "mend"> & { readonly fixed?: boolean };

type Look = () => readonly Finding[] | Promise<readonly Finding[]>;

async function lookAt(name: string, look: Look): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isCanopyError(error)) throw error;
    return [
      {
        name,
        state: "failed",
        detail: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
    ];
  }
}

/** Mends what can be mended, when told to, and looks again whether it is. */
async function mendAll(name: string, look: Look, shouldFix: boolean): Promise<CheckedFinding[]> {
  const before = await lookAt(name, look);
  const broken = before.filter(({ mend }) => mend !== undefined);
  const strip = ({ mend: _mend, ...finding }: Finding): CheckedFinding => finding;
  if (!shouldFix || broken.length === 0) return before.map((finding) => strip(finding));
  for (const { mend } of broken) mend?.();
  const after = await lookAt(name, look);
  const isStill = (finding: Finding): boolean =>
    after.some(
      ({ name: other, state, detail }) =>
        other === finding.name && state !== "ok" && detail === finding.detail,
    );
  return [
    ...broken
      .filter((finding) => !isStill(finding))
      .map(
        ({ name: what, detail }) =>
          ({ name: what, state: "ok", detail: `mended: ${detail}`, fixed: true }) as const,
      ),
    ...after.filter(({ state }) => state !== "ok").map((finding) => strip(finding)),
    ...before
      .filter(({ state, mend }) => state === "ok" && mend === undefined)
      .map((finding) => strip(finding)),
  ];
}

/** Looks at what is on disk: before a daemon is started, which would hold the rooms and clean up after the last one. */
export async function checkStateAtRest(shouldFix: boolean): Promise<CheckedFinding[]> {
  const { inspectDaemons, inspectModes, inspectRooms } = await import("@canopy/daemon/doctor");
  const paths = daemonPaths();
  return [
    ...(await mendAll("daemon-lock", () => inspectDaemons(paths), shouldFix)),
    ...(await mendAll("state-modes", () => [inspectModes(paths.stateDir)], shouldFix)),
    ...(await mendAll("rooms", () => inspectRooms(paths.roomsDir), shouldFix)),
  ];
}

/** Looks at what agents' hooks need, once a daemon runs. */
export async function checkHooks(shouldFix: boolean): Promise<CheckedFinding[]> {
  const { inspectHookSocket, inspectOrphans } = await import("@canopy/daemon/doctor");
  const { checkHookClient, checkSetups } = await import("./check-setups.ts");
  const paths = daemonPaths();
  const findOrphans = async (): Promise<readonly Finding[]> => {
    const api = await openDaemonApi();
    const projects = readField<Project[]>(await api.request("GET", "/projects"), "projects");
    const folders = { roomsDir: paths.roomsDir, mirrorDir: join(paths.stateDir, "projects") };
    return inspectOrphans(folders, new Set(projects.map(({ projectId }) => projectId)));
  };
  return [
    ...(await mendAll("hook-socket", async () => [await inspectHookSocket(paths)], shouldFix)),
    ...(await mendAll("hook-client", () => [checkHookClient()], shouldFix)),
    ...(await mendAll("setup", checkSetups, shouldFix)),
    ...(await mendAll("orphans", findOrphans, shouldFix)),
  ];
}
