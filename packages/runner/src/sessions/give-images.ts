import type { AgentSession, CapabilityLevel, PromptImage } from "@canopy/agents";
import type { Image } from "@canopy/protocol";
import { CanopyError, isCanopyError } from "@canopy/protocol";
import type { Workspace } from "@canopy/workspace";
import { IMAGE_FOLDER } from "../attempts/own-files.ts";
import type { HostedSession, TurnPrompt } from "./session-host.ts";

/** What is asked of an agent, in the way that it takes pictures. */
export interface GivenPrompt {
  readonly text: string;
  readonly images: readonly PromptImage[];
}

/** Where pictures come from, and where those go that the agent does not take. */
export interface ImagePlaces {
  readonly hosted: Pick<HostedSession, "readImage"> | null;
  readonly workspace: Pick<Workspace, "writeFile" | "path">;
  readonly level: AgentSession["capabilities"]["images"];
}

interface Read {
  readonly images: readonly (PromptImage & Pick<Image, "imageId">)[];
  readonly gone: readonly string[];
}

async function readAll({ hosted }: ImagePlaces, wanted: readonly Image[]): Promise<Read> {
  const images: (PromptImage & Pick<Image, "imageId">)[] = [];
  const gone: string[] = [];
  for (const image of wanted) {
    try {
      if (hosted === null) throw new CanopyError("thing.not-found", "there is nobody to ask for images");
      images.push({ ...(await hosted.readImage(image)), imageId: image.imageId });
    } catch (error) {
      if (!isCanopyError(error) || error.code !== "thing.not-found") throw error;
      gone.push(image.name);
    }
  }
  return { images, gone };
}

const ENDINGS: Readonly<Record<PromptImage["mediaType"], string>> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
};

async function layOut({ workspace }: ImagePlaces, { images }: Read): Promise<string[]> {
  const paths: string[] = [];
  for (const { imageId, mediaType, base64 } of images) {
    const path = `${IMAGE_FOLDER}/${imageId.slice(0, 12)}.${ENDINGS[mediaType]}`;
    await workspace.writeFile(path, Buffer.from(base64, "base64"));
    paths.push(`${workspace.path}/${path}`);
  }
  return paths;
}

function addLines(text: string, heading: string, lines: readonly string[]): string {
  return lines.length === 0
    ? text
    : `${text}\n\n${heading}\n${lines.map((line) => `- ${line}`).join("\n")}\n`;
}

function requireLevel(level: CapabilityLevel): void {
  if (level !== false) return;
  throw new CanopyError("agent.failed", "the agent takes no images, neither in its prompt nor as files", {
    hint: "ask it without them, or another agent",
  });
}

/**
 * Prepares a prompt with pictures: they go with it where the agent takes them, else they are put into the workspace, outside of
 * its work, and the prompt names their paths. One that is not kept any more is said to be gone. Throws `agent.failed` for an agent
 * that can do neither, and `workspace.failed`.
 */
export async function giveImages(
  places: ImagePlaces,
  prompt: Pick<TurnPrompt, "text" | "images">,
): Promise<GivenPrompt> {
  if (prompt.images.length === 0) return { text: prompt.text, images: [] };
  requireLevel(places.level);
  const read = await readAll(places, prompt.images);
  const text = addLines(prompt.text, "These images belonged to it and are not kept any more:", read.gone);
  if (places.level === true)
    return { text, images: read.images.map(({ name, mediaType, base64 }) => ({ name, mediaType, base64 })) };
  const paths = await layOut(places, read);
  return { text: addLines(text, "These images belong to it; look at the files:", paths), images: [] };
}
