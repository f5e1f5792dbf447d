import type { Attempt, Comment, Inquiry, Json, Task } from "@canopy/protocol";

const MAX_FAILURE_CHARS = 4000;
const MAX_COMMENTS = 20;

/** What buildPrompt puts together. */
export interface PromptInput {
  readonly task: Task;
  readonly comments: readonly Comment[];
  /** What a tracker says of the task beside its description, as headings and texts. */
  readonly sections?: readonly (readonly [string, string])[];
  /** Earlier tries of this task, first try first. */
  readonly earlier: readonly Attempt[];
  /** Why the change of an earlier try did not land, by attempt. */
  readonly changeReasons?: ReadonlyMap<string, string>;
}

/** Cuts the middle out of a long text, keeping 60 % of the head and 40 % of the tail. */
export function truncateMiddle(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const headChars = Math.floor(maxChars * 0.6);
  const tailChars = maxChars - headChars;
  const cutChars = text.length - headChars - tailChars;
  return `${text.slice(0, headChars)}\n[... ${cutChars} characters left out ...]\n${text.slice(-tailChars)}`;
}

function whyFailed(attempt: Attempt, changeReasons: ReadonlyMap<string, string> | undefined): string | null {
  const reason = changeReasons?.get(attempt.attemptId);
  if (reason !== undefined) return `its change did not land: ${reason}`;
  const { failure } = attempt;
  return failure === null || failure.cause === "interrupted" ? null : `${failure.cause}: ${failure.message}`;
}

function describeFailure(attempt: Attempt, why: string): string {
  return `Attempt ${attempt.number}: ${truncateMiddle(why, MAX_FAILURE_CHARS)}`;
}

/**
 * The whole prompt of an attempt: how to work, the task, what people said about it, and why earlier attempts failed.
 * The same input always gives the same text.
 */
export function buildPrompt({ task, comments, earlier, changeReasons, sections = [] }: PromptInput): string {
  const parts = [
    [
      "You work alone and unattended in a copy of a git repository; other agents work in copies of their own.",
      "Do this one task and nothing beyond it. Decide open questions yourself and say what you decided.",
      "Follow the repository's own instructions (AGENTS.md, CLAUDE.md, README) and run its checks where there are any.",
      "When a file .canopy/radar.md appears, it names the files in which others change the same as you: keep your edits there small.",
      "You may commit or leave your changes uncommitted: both are taken over. Do not push, and do not switch branches.",
    ].join("\n"),
    `# Task: ${task.title}`,
  ];
  if (task.description.trim() !== "") parts.push(task.description);
  for (const [heading, text] of sections) parts.push(`## ${heading}\n${text}`);
  const recent = comments.slice(-MAX_COMMENTS);
  if (recent.length > 0) {
    parts.push(
      ["## Comments", ...recent.map((comment) => `- ${comment.author}: ${comment.text}`)].join("\n"),
    );
  }
  const failed = earlier
    .map((attempt) => ({ attempt, why: whyFailed(attempt, changeReasons) }))
    .flatMap(({ attempt, why }) => (why === null ? [] : [describeFailure(attempt, why)]))
    .slice(-3);
  if (failed.length > 0) {
    parts.push(
      ["## Earlier attempts at this task failed; do not repeat their mistake", ...failed].join("\n"),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

/** What an agent is told whose work was cut off: it goes on in the same session, its files are as it left them. */
export function buildContinuePrompt(prompt: string): string {
  return [
    "You were cut off in the middle of your work, not by your fault. Your files are as you left them, in a new copy.",
    "Look at what you have done so far and go on from there. For reference, this is what you were asked:",
    "",
    prompt,
  ].join("\n");
}

/** What an agent is told when a person has answered: it goes on in the same session, its files are as it left them. */
export function buildAnswerPrompt(inquiry: Inquiry): string {
  const by = inquiry.by ?? "somebody";
  if (inquiry.kind === "budget")
    return `You had used up your budget; ${by} lets you go on. Your files are as you left them. Go on with your task.\n`;
  return [
    "You asked, and your work waited for the answer. Your files are as you left them, in a new copy.",
    `Your question: ${inquiry.text}`,
    `The answer of ${by}: ${describeAnswer(inquiry.answer)}`,
    "Go on with your task.",
    "",
  ].join("\n");
}

/** An answer in words. */
export function describeAnswer(answer: Json): string {
  if (answer === null) return "refused";
  if (typeof answer !== "object" || Array.isArray(answer)) return String(answer);
  return Object.entries(answer)
    .map(([question, text]) => `${question}: ${typeof text === "string" ? text : JSON.stringify(text)}`)
    .join("\n");
}
