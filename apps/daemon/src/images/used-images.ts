import type { Prompt, Task } from "@canopy/protocol";

/** What may refer to images. */
export interface ImageUsers {
  readonly tasks: readonly Pick<Task, "images" | "closedAtMs">[];
  readonly prompts: readonly Pick<Prompt, "images" | "atMs">[];
}

/** The images that are still needed: of tasks until `keepMs` after they were closed, of prompts for `keepMs`. */
export function usedImages({ tasks, prompts }: ImageUsers, nowMs: number, keepMs: number): Set<string> {
  const used = new Set<string>();
  const isRecent = (atMs: number | null): boolean => atMs === null || nowMs - atMs <= keepMs;
  for (const { images = [], closedAtMs } of tasks)
    if (isRecent(closedAtMs)) for (const { imageId } of images) used.add(imageId);
  for (const { images = [], atMs } of prompts)
    if (isRecent(atMs)) for (const { imageId } of images) used.add(imageId);
  return used;
}
