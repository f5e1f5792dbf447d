import type { AgentEvent, Inquiry, Json } from "@canopy/protocol";
import { attemptJobSchema, permissionConfigSchema } from "@canopy/protocol";
import { expect, test } from "vitest";
import type { JobSource } from "../job-source.ts";
import { PersonDesk, permissionsOf } from "./person-desk.ts";

const JOB = attemptJobSchema.parse({
  kind: "attempt",
  attemptId: "att_a",
  attemptNumber: 1,
  runId: "run_a",
  taskId: "tsk_a",
  sessionId: "ses_a",
  title: "t",
  description: "",
  labels: [],
  prompt: "p",
  agent: "claude",
  model: null,
  timeoutMs: 1000,
  integrationRef: "refs/heads/canopy/main",
  baseBranch: "main",
  checkout: null,
  askedBy: "ada",
  ladder: null,
});

interface Bench {
  readonly desk: PersonDesk;
  /** Commands to the room, and answers to the agent, as they came. */
  readonly log: unknown[];
  readonly answer: (inquiryId: string, answer: Json) => void;
  /** Resolves when the log has so many entries. */
  readonly reached: (count: number) => Promise<void>;
}

function openBench(config: object): Bench {
  const log: unknown[] = [];
  const waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  const note = (entry: unknown): void => {
    log.push(entry);
    for (const waiter of waiters) if (log.length >= waiter.count) waiter.resolve();
  };
  let listener: (inquiry: Inquiry) => void = () => undefined;
  let count = 0;
  const source = {
    submit: (command: { type: string; inquiryId?: string; by?: string; text?: string }) => {
      note([
        command.type,
        command.text ?? command.inquiryId,
        ...(command.by === undefined ? [] : [command.by]),
      ]);
      count += 1;
      return Promise.resolve({
        type: "accepted" as const,
        result: { inquiry: { inquiryId: `inq_${count}` } },
      });
    },
    onAnswer: (listen: (inquiry: Inquiry) => void) => {
      listener = listen;
      return () => undefined;
    },
  } as unknown as JobSource;
  const desk = new PersonDesk({
    source,
    job: JOB,
    cwd: "/w",
    config: permissionConfigSchema.parse(config),
    session: {
      answerPermission: (...args) => Promise.resolve(note(["permission", ...args])),
      answerQuestion: (...args) => Promise.resolve(note(["question", ...args])),
    },
    onPark: () => note("park"),
    log: { info: () => {}, warn: (fields) => note(fields), error: (fields) => note(fields) },
  });
  return {
    desk,
    log,
    answer: (inquiryId, answer) => listener({ inquiryId, answer, by: "ada" } as Inquiry),
    reached: (wanted) =>
      log.length >= wanted
        ? Promise.resolve()
        : new Promise((resolve) => waiters.push({ count: wanted, resolve })),
  };
}

function permission(requestId: string, kind: "execute" | "edit"): AgentEvent {
  const tool = {
    toolCallId: "1",
    kind,
    title: "rm -rf build",
    state: "pending" as const,
    locations: [],
    diffs: [],
  };
  return { type: "permission.asked", requestId, tool, options: [] };
}

test("only what a rule leaves to people goes before them, and their answer comes back", async () => {
  const rules = [{ decision: "ask", kinds: ["execute"] }];
  const { desk, log, answer, reached } = openBench({ rules });
  desk.take(permission("permission-1", "edit"));
  desk.take(permission("permission-2", "execute"));
  await reached(1);
  answer("inq_1", "yes");
  await reached(2);
  answer("inq_1", "again");
  desk.take({ type: "permission.answered", requestId: "permission-2", optionId: "yes", by: "ada" });
  desk[Symbol.dispose]();
  expect(log).toEqual([
    ["inquiry.open", "execute: rm -rf build"],
    ["permission", "permission-2", "yes", "ada"],
  ]);
});

test("what the agent takes back is closed, and what nobody answers in time is refused", async () => {
  const { desk, log, reached } = openBench({ policy: "ask", ask_timeout: "1ms" });
  desk.take(permission("permission-1", "execute"));
  desk.take({ type: "permission.answered", requestId: "permission-1", optionId: null, by: "cancel" });
  await reached(2);
  desk.take(permission("permission-2", "execute"));
  await reached(4);
  desk[Symbol.dispose]();
  expect(log).toEqual([
    ["inquiry.open", "execute: rm -rf build"],
    ["inquiry.close", "inq_1", "agent"],
    ["inquiry.open", "execute: rm -rf build"],
    ["permission", "permission-2", null, "time-out"],
  ]);
});

test("a question that nobody answers in time parks the work; its inquiry stays open", async () => {
  const { desk, log, reached } = openBench({ question_wait: "1ms" });
  desk.take({ type: "question.asked", requestId: "question-1", text: "Tabs?" });
  await reached(2);
  desk.take({ type: "question.answered", requestId: "question-1", answer: null, by: "cancel" });
  desk[Symbol.dispose]();
  expect([log, desk.parkedFor]).toEqual([[["inquiry.open", "Tabs?"], "park"], "inq_1"]);
});

test("where agents decide by themselves, questions go before nobody; a role may differ from the project", () => {
  const { desk, log } = openBench({ questions: "decide" });
  desk.take({ type: "question.asked", requestId: "question-1", text: "Tabs?" });
  desk[Symbol.dispose]();
  expect(log).toEqual([["question", "question-1", null, "policy:decide"]]);
  const config = permissionConfigSchema.parse({ policy: "ask", roles: { worker: { policy: "deny" } } });
  expect(permissionsOf(config, JOB).policy).toBe("deny");
});
