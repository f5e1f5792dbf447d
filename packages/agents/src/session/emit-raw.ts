import { jsonSchema } from "@canopy/protocol";
import type { EventWriter } from "../event-writer.ts";

const MAX_RAW_CHARS = 64 * 1024;

/** Keeps something that Canopy has no event for, cut when it is large. */
export function emitRaw(writer: EventWriter, source: string, value: unknown): void {
  const parsed = jsonSchema.safeParse(value);
  if (!parsed.success) return;
  const text = JSON.stringify(parsed.data);
  const kept = text.length <= MAX_RAW_CHARS ? parsed.data : { cut: text.slice(0, 1000), chars: text.length };
  writer.emit({ type: "raw", source, value: kept });
}
