import type { Validation } from "@canopy/protocol";

const MAX_CHARS = 12_000;

/** What a red validation says: the step, how it ended, and the head and tail of what it printed. */
export function describeValidation(validation: Validation): string {
  const red = validation.steps.find(
    (step) => step.required && step.state !== "passed" && step.state !== "skipped",
  );
  if (red === undefined) return "the validation failed";
  const how =
    red.state === "timed-out" ? "did not end in time" : `ended with exit code ${red.exitCode ?? "none"}`;
  const output = red.output.trim();
  const headChars = Math.floor(MAX_CHARS * 0.6);
  const shown =
    output.length <= MAX_CHARS
      ? output
      : `${output.slice(0, headChars)}\n[... left out ...]\n${output.slice(headChars - MAX_CHARS)}`;
  return `validation step '${red.name}' ${how}${shown === "" ? "" : `:\n${shown}`}`;
}
