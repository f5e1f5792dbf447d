import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Repository } from "@canopy/git";
import {
  advanceCheckout,
  createGitEnvironment,
  describeMonitor,
  materializeCommit,
  primeCheckout,
} from "@canopy/git";
import type { BringRequest, CheckoutSource } from "@canopy/workspace";

/** Where a workspace's files come from: a commit of a repository, on a branch of this name in the private checkout. */
export function createCheckoutSource(repository: Repository, commit: string, branch: string): CheckoutSource {
  const env = createGitEnvironment();
  return {
    commit,
    populate: async (directory, signal) => {
      const options = { commit, directory, branch };
      await materializeCommit(repository, signal === undefined ? options : { ...options, signal });
    },
    advance: (from) => ({ commands: advanceCheckout({ from, to: commit, branch }), env }),
    prime: { commands: [primeCheckout()], env },
    monitor: describeMonitor(commit),
  };
}

/** Tells files from folders among the paths to bring along; those that are not there are skipped. */
export async function sortBring(checkout: string, paths: readonly string[]): Promise<BringRequest> {
  const files: string[] = [];
  const directories: string[] = [];
  for (const path of paths) {
    const info = await stat(join(checkout, path)).catch(() => null);
    if (info?.isDirectory() === true) directories.push(path);
    else if (info?.isFile() === true) files.push(path);
  }
  return { from: checkout, files, directories };
}
