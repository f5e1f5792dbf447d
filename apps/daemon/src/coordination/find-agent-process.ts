import { readFileSync } from "node:fs";
import { platform } from "node:process";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { ProcessAnchor } from "@canopy/protocol";
import { identifyProcess } from "@canopy/workspace";

const execute = promisify(execFile);

/** Programs between an agent and what it runs: never the agent itself. */
const BETWEEN = new Set(
  "sh bash dash zsh fish ksh ash busybox env perl timeout nice nohup sudo setsid xargs time script git canopy canopy-hook".split(
    " ",
  ),
);
const MAX_STEPS = 12;

interface Parent {
  readonly name: string;
  readonly parent: number;
}

async function readParent(pid: number): Promise<Parent | null> {
  if (platform === "linux") {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, "latin1");
      const close = text.lastIndexOf(")");
      const name = text.slice(text.indexOf("(") + 1, close);
      return { name, parent: Number(text.slice(close + 2).split(" ")[1]) };
    } catch {
      return null;
    }
  }
  // Not run here: macOS and other systems with a BSD ps.
  const output = await execute("ps", ["-o", "ppid=,comm=", "-p", String(pid)]).catch(() => null);
  const match = /^\s*(\d+)\s+(.+)$/m.exec(output?.stdout ?? "");
  return match === null
    ? null
    : { parent: Number(match[1]), name: (match[2] ?? "").replace(/^.*\//, "").trim() };
}

/** A process with its start, so that another one with its number later is told apart. Null when it is gone. */
export async function anchorProcess(pid: number): Promise<ProcessAnchor | null> {
  const identity = await identifyProcess(pid);
  if (identity === null) return null;
  const [bootId = "", ...rest] = identity.startedAt.split("/");
  return rest.length === 0
    ? { pid, startedAt: identity.startedAt, bootId: "" }
    : { pid, startedAt: rest.join("/"), bootId };
}

/** The numbers of a process and those above it, nearest first. */
export async function listAncestors(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (let at = pid; at > 1 && found.length < MAX_STEPS * 2;) {
    found.push(at);
    at = (await readParent(at))?.parent ?? 0;
  }
  return found;
}

/** The agent behind a process: the first one above it, itself included, that is no shell and no wrapper. */
export async function findAgentProcess(pid: number): Promise<ProcessAnchor | null> {
  let at = pid;
  for (let step = 0; step < MAX_STEPS && at > 1; step += 1) {
    const found = await readParent(at);
    if (found === null) return null;
    if (!BETWEEN.has(found.name)) return await anchorProcess(at);
    at = found.parent;
  }
  return null;
}
