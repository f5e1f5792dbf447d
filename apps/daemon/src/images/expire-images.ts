import {
  GENERAL_FEATURE_ID,
  featureRoomAddress,
  projectRoomAddress,
  selectFeatureState,
  selectTasks,
} from "@canopy/core";
import type { NodeRoomHost } from "../rooms/open-room-host.ts";
import type { ImageStore } from "./image-store.ts";
import { usedImages } from "./used-images.ts";

/** Removes the images of a project that no task and no prompt of the last `keepMs` needs. */
export async function expireImages(
  { host, images }: { readonly host: NodeRoomHost; readonly images: ImageStore },
  projectId: string,
  keepMs: number,
): Promise<void> {
  const tasks = host.room(projectRoomAddress(projectId))?.read((sql) => selectTasks(sql));
  const feature = host.room(featureRoomAddress(projectId, GENERAL_FEATURE_ID));
  const prompts = feature?.read((sql) => selectFeatureState(sql).prompts);
  // Who cannot be asked may need them.
  if (tasks === undefined || prompts === undefined) return;
  const nowMs = Date.now();
  await images.expire(projectId, usedImages({ tasks, prompts }, nowMs, keepMs), nowMs);
}
