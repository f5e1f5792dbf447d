import { readFileSync } from "node:fs";

/**
 * True while a process with this number runs, whoever's it is. One that has ended and that nobody has collected yet does not: where
 * process 1 collects nothing, as in many containers, such a one stays for ever. Without /proc it counts as running.
 */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  try {
    // The name in brackets may hold anything; the state comes after its last bracket.
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, ""));
  } catch {
    return process.platform !== "linux";
  }
}
