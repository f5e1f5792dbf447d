import { randomUUID } from "node:crypto";
import type { Json, Project } from "@canopy/protocol";
import type { DaemonPaths } from "@canopy/daemon/paths";
import { daemonPaths, ensureDaemon } from "./ensure-daemon.ts";
import type { DaemonRequest } from "./request.ts";
import { requestDaemon } from "./request.ts";

/** The daemon as commands use it. */
export interface DaemonApi {
  readonly paths: DaemonPaths;
  /** With a key of one's own a request may be repeated: it is carried out once. */
  request(method: DaemonRequest["method"], path: string, body?: Json, key?: string): Promise<unknown>;
}

/** The daemon and the project of the current folder. */
export interface ProjectApi extends DaemonApi {
  readonly project: Project;
  /** A request below `/projects/ID`. */
  ask(method: DaemonRequest["method"], path: string, body?: Json, key?: string): Promise<unknown>;
}

/** Connects to the daemon, starting one when none runs. */
export async function openDaemonApi(): Promise<DaemonApi> {
  const paths = daemonPaths();
  await ensureDaemon(paths);
  return connectDaemonApi(paths);
}

/** Talks to a daemon that is known, or hoped, to run. */
export function connectDaemonApi(paths: DaemonPaths): DaemonApi {
  return {
    paths,
    request: (method, path, body, key) =>
      requestDaemon(paths.socketPath, {
        method,
        path,
        // A lost answer can be asked for again without doing the thing twice.
        key: key ?? `cli-${randomUUID()}`,
        ...(body === undefined ? {} : { body }),
      }),
  };
}

/** Reads one field of an answer that is an object. */
export function readField<T>(answer: unknown, name: string): T {
  if (typeof answer !== "object" || answer === null)
    throw new Error(`broken invariant: the answer has no ${name}`);
  return Reflect.get(answer, name) as T;
}

/** Connects to the daemon and finds the project of a folder. Throws `repository.not-found` and its like. */
export async function openProjectApi(path: string = process.cwd()): Promise<ProjectApi> {
  const api = await openDaemonApi();
  const project = readField<Project>(await api.request("POST", "/projects", { path }), "project");
  return {
    ...api,
    project,
    ask: (method, below, body, key) =>
      api.request(method, `/projects/${project.projectId}${below}`, body, key),
  };
}
