import { inquirySchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import { sanitizeLine } from "../output/format.ts";
import { describeInquiry } from "./inbox.ts";

test("what a session below another asks is shown with the one that people know, and says who asks", () => {
  const name = "look\u001b[2J around";
  const inquiry = inquirySchema.parse({
    inquiryId: "inq_a",
    kind: "permission",
    sessionId: "ses_resolver",
    attemptId: "att_b",
    taskId: "tsk_a",
    parent: { sessionId: "ses_author", role: "resolver" },
    subAgent: { subAgentId: "x", name },
    text: "execute: make",
    options: [{ optionId: "allow", name: "Allow", kind: "allow_once" }],
    details: null,
    state: "open",
    answer: null,
    by: null,
    openedAtMs: 0,
    endedAtMs: null,
  });
  const [first, ...rest] = describeInquiry(inquiry, 60_000).split("\n");
  expect(first).toMatch(/^inq_a {2}permission {2}ses_author {2}/);
  expect(rest).toEqual([
    "  asked by its resolver, ses_resolver",
    `  asked by its agent: ${sanitizeLine(name)}`,
    "  execute: make",
    "  answers: allow (Allow)",
  ]);
});
