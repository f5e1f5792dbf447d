import { expect, test } from "vitest";
import { SessionPrinter } from "./attach-session.ts";

function entry(index: number, event: object): { readonly type: string; readonly data: unknown } {
  const payload = { entry: { sessionId: "ses_a", index, event } };
  return { type: "event", data: { type: "turn.appended", payload } };
}

function live(text: string, sessionId = "ses_a"): { readonly type: string; readonly data: unknown } {
  return { type: "live", data: { delta: { sessionId, turnId: "trn_a", kind: "message", text } } };
}

test("text is written as it comes, once, and whole when pieces of it were lost", () => {
  let out = "";
  const printer = new SessionPrinter("ses_a", (text) => (out += text));
  printer.entry({ index: 1, event: { type: "message.done", text: "before" } });
  printer.take(entry(1, { type: "message.done", text: "before" }));
  for (const text of ["Hel", "lo"]) printer.take(live(text));
  printer.take(live("other", "ses_b"));
  printer.take(entry(2, { type: "message.done", text: "Hello there" }));
  printer.take(live("lost its"));
  printer.take(entry(3, { type: "message.done", text: "Beginning lost its" }));
  printer.take({
    type: "event",
    data: { type: "session.ended", payload: { session: { sessionId: "ses_a", endReason: "succeeded" } } },
  });
  expect([out, printer.isOver]).toEqual([
    "before\nHello there\nlost its\nBeginning lost its\n-- ended: succeeded\n",
    true,
  ]);
});
