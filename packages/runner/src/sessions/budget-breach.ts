import type { AttemptJob, Failure, InquiryId } from "@canopy/protocol";
import type { BudgetBreach, TurnResult } from "@canopy/agents";
import type { JobSource } from "../job-source.ts";
import { readInquiryId } from "./person-desk.ts";
import type { TurnPrompt } from "./session-host.ts";
import { describeBreach } from "./spending-book.ts";

/** What a reached limit means for the work. */
export type SettledBreach =
  | { readonly type: "none" }
  | { readonly type: "stop"; readonly failure: Failure }
  | { readonly type: "ask"; readonly text: string }
  | { readonly type: "cheaper"; readonly model: string; readonly prompt: TurnPrompt };

/** Works out what follows from a reached limit. Work that was finished all the same is finished. */
export function settleBreach(
  end: { readonly breach: BudgetBreach | null; readonly result: Pick<TurnResult, "reason" | "error"> },
  mayPark = true,
): SettledBreach {
  const { breach, result } = end;
  if (breach === null || result.reason !== "cancelled") return { type: "none" };
  const text = describeBreach(breach);
  const { action, scope } = breach;
  if (action.type === "ask" && mayPark) return { type: "ask", text };
  if (action.type === "cheaper") {
    const prompt = `You go on as another model: ${text}. Your files are as you left them. Go on with your task.`;
    return {
      type: "cheaper",
      model: action.model,
      prompt: { text: prompt, images: [], author: "canopy", promptId: null },
    };
  }
  // What is used up for all is no fault of the task at hand.
  const cause = scope === "run" || scope === "day" ? "run-budget" : "budget";
  return { type: "stop", failure: { cause, message: text, agentError: null, retryAfterMs: null } };
}

/** Asks people whether the work goes on. Null when the room takes no inquiry: then it does not. */
export async function openBudgetInquiry(
  source: JobSource,
  job: AttemptJob,
  text: string,
): Promise<InquiryId | null> {
  const outcome = await source.submit(
    {
      type: "inquiry.open",
      kind: "budget",
      sessionId: job.sessionId,
      text: `${text}. Go on with as much again?`,
      options: [
        { optionId: "go-on", name: "Go on", kind: "allow_once" },
        { optionId: "stop", name: "Stop here", kind: "reject_once" },
      ],
    },
    `budget:${job.attemptId}`,
  );
  return outcome.type === "accepted" ? readInquiryId(outcome.result) : null;
}
