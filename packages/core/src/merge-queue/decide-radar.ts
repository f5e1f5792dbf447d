import type { Overlap, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { DecideAnswer, DecideContext } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import { isFinal, selectAttempt } from "../runs/run-rows.ts";
import { selectOverlapsOf } from "./stack-rows.ts";

/** Where a running session's work meets others': replaces what was said before; said only when something changed. */
export function decideReportRadar(
  context: DecideContext<ProjectEvent>,
  command: Extract<ProjectCommand, { type: "radar.report" }>,
): DecideAnswer {
  const attempt = selectAttempt(context.sql, command.attemptId);
  if (attempt === undefined) return reject("attempt.not-found", `no attempt ${command.attemptId}`);
  if (isFinal(attempt.state)) return accept();
  const before = selectOverlapsOf(context.sql, command.attemptId);
  const overlaps = command.overlaps
    .filter((overlap) => overlap.files.length > 0)
    .map((overlap): Overlap => {
      const known = before.find((other) => other.other === overlap.other);
      const { other, files } = overlap;
      return { attemptId: command.attemptId, other, files, sinceMs: known?.sinceMs ?? context.nowMs };
    });
  if (JSON.stringify(before) !== JSON.stringify(overlaps))
    context.emit({ type: "radar.changed", attemptId: command.attemptId, overlaps });
  return accept();
}
