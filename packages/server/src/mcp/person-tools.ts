import type { EventEnvelope, Inquiry } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import { describeAnswer, selectInquiry } from "@canopy/core";
import { z } from "zod";
import type { AgentTool } from "./agent-tool.ts";
import { agentTool, projectOf, submitAs } from "./agent-tool.ts";

function isAbout({ type, payload }: EventEnvelope, inquiryId: string): boolean {
  if (type !== "inquiry.answered" && type !== "inquiry.closed") return false;
  return (payload as unknown as { readonly inquiry: Inquiry }).inquiry.inquiryId === inquiryId;
}

/** Resolves with the inquiry when it is answered or closed, or as it is when the time is over. */
async function waitForAnswer(
  room: RoomHandle,
  inquiryId: string,
  waitMs: number,
): Promise<Inquiry | undefined> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  const end = room.subscribe({
    events: (events) => {
      if (events.some((event) => isAbout(event, inquiryId))) resolve();
    },
  });
  await promise;
  clearTimeout(timer);
  end();
  return room.read((sql) => selectInquiry(sql, inquiryId));
}

/** What agents ask of people. */
export const PERSON_TOOLS: readonly AgentTool[] = [
  agentTool({
    name: "ask_person",
    title: "Ask a person",
    description:
      "Canopy: asks the people of this project something that you cannot find out or decide by yourself. Ask one clear question. When nobody answers at once your work is laid aside: end your turn, and you go on in this session when there is an answer.",
    input: z.object({
      question: z.string().min(1).max(10_000),
      options: z.array(z.string().min(1).max(200)).max(10).default([]).describe("answers to choose from"),
    }),
    isReadOnly: false,
    handle: async (call, { question, options }) => {
      const { workspace, permissions, sessionId } = call.grant;
      if (permissions.questions === "decide")
        return "Nobody answers questions here: decide by yourself, and say in your summary what you decided.";
      const room = projectOf(call);
      const result = submitAs(call, room, {
        type: "inquiry.open",
        kind: "question",
        sessionId,
        text: question,
        details: options.length === 0 ? null : { options },
      });
      const { inquiryId } = Reflect.get(Object(result), "inquiry") as Inquiry;
      const inquiry = await waitForAnswer(room, inquiryId, permissions.question_wait);
      if (inquiry?.state === "answered")
        return `The answer of ${inquiry.by}: ${describeAnswer(inquiry.answer)}`;
      if (inquiry?.state === "closed")
        return "The question was closed without an answer: decide by yourself.";
      workspace.park(inquiryId);
      return "Nobody has answered yet. Your work is kept. End your turn now, without guessing: you go on in this session when there is an answer.";
    },
  }),
];
