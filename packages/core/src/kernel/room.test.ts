import { expect, test } from "vitest";
import type { EventEnvelope } from "@canopy/protocol";
import { projectRoom } from "../rooms/project-room.ts";
import { openProjectDriver, openTestRoom } from "@canopy/testkit";
import type { LinkPorts } from "./links.ts";
import { deleteAnswersBefore } from "./journal.ts";
import { pumpLink } from "./links.ts";
import { ANSWER_RETENTION_MS } from "./room.ts";

const create = (title: string): object => ({ type: "task.create", task: { title } });

test("[KR1] sequence numbers are gap-free and start at 1", () => {
  const driver = openProjectDriver();
  for (let count = 0; count < 50; count += 1) driver.addTask(`task ${count}`);
  driver.startRun({ concurrency: 3 });
  const seqs = driver.room.eventsAfter(0, 10_000).map((event) => event.seq);
  expect(seqs).toEqual(Array.from({ length: driver.room.lastSeq }, (_, index) => index + 1));
});

test("[KR2] a second delivery of a key returns the first answer and decides nothing", () => {
  const test = openTestRoom(projectRoom);
  const first = test.submit(create("one"), { key: "same-key-1" });
  const second = test.submit(create("two"), { key: "same-key-1" });
  expect(second).toEqual(first);
  expect(test.room.lastSeq).toBe(1);
  const claim = { type: "task.close", task: "99" };
  const refused = test.submit(claim, { key: "same-key-2" });
  expect(refused.type).toBe("rejection");
  for (let count = 0; count < 98; count += 1) test.accept(create(`filler ${count}`));
  expect(test.submit(claim, { key: "same-key-2" })).toEqual(refused);
});

test("[KR3] a rejection undoes everything its command had emitted", () => {
  const test = openTestRoom(projectRoom);
  const before = test.dump();
  const answer = test.submit({
    type: "task.import",
    tasks: [{ title: "kept?" }, { title: "broken", dependencies: [{ on: "no-such-task" }] }],
  });
  expect(answer).toMatchObject({ type: "rejection", code: "task.not-found" });
  expect(test.dump()).toEqual(before);
  expect(test.room.lastSeq).toBe(0);
  expect(test.accept(create("next"))["task"]).toMatchObject({ number: 1 });
});

test("[KR4] replaying the journal rebuilds the same tables", () => {
  const driver = openProjectDriver(7);
  const first = driver.addTask("first");
  driver.addTask("second", { dependencies: [{ on: first.taskId }], labels: ["slow"] });
  driver.startRun();
  const [leased] = driver.lease();
  driver.finish(leased!);
  driver.land();
  driver.submit({ type: "task.comment", task: "2", text: "careful" });
  const before = driver.dump();
  driver.room.replay();
  expect(driver.dump()).toEqual(before);
});

test("[KR5] subscribers hear a commit's events in order, and nothing of a rejected command", () => {
  const test = openTestRoom(projectRoom);
  const heard: EventEnvelope[] = [];
  const unsubscribe = test.room.subscribe((events) => heard.push(...events));
  test.accept(create("one"));
  test.submit({ type: "task.import", tasks: [{ title: "x", dependencies: [{ on: "nothing" }] }] });
  test.accept(create("two"));
  unsubscribe();
  test.accept(create("three"));
  expect(heard.map((event) => [event.seq, event.type])).toEqual([
    [1, "task.created"],
    [2, "task.created"],
  ]);
});

test("[KR5] who submits from what it hears disturbs nobody's order, and who subscribes meanwhile hears what comes after", () => {
  const test = openTestRoom(projectRoom);
  const heard: string[] = [];
  const late: string[] = [];
  const note = (list: string[]) => (events: readonly EventEnvelope[]) => {
    list.push(events.map(({ seq }) => seq).join("+"));
  };
  test.room.subscribe(([event]) => {
    if (event?.seq !== 1) return;
    test.accept(create("two"));
    // What stands already it reads from the journal.
    test.room.subscribe(note(late));
    test.accept(create("three"));
  });
  test.room.subscribe(note(heard));
  test.accept(create("one"));
  test.accept(create("four"));
  expect([heard, late]).toEqual([
    ["1", "2", "3", "4"],
    ["3", "4"],
  ]);
});

test("[KR6] a timer that became due while nobody ran fires once, at the next wake", () => {
  const driver = openProjectDriver();
  driver.addTask("flaky");
  driver.startRun();
  const [leased] = driver.lease();
  driver.accept({
    type: "attempt.finish",
    jobId: leased!.job.jobId,
    fence: leased!.job.fence,
    result: {
      outcome: "failed",
      baseCommit: null,
      capture: null,
      failure: { cause: "crash", message: "boom", agentError: null, retryAfterMs: 60_000 },
      summary: "",
      usage:
        leased!.payload.kind === "attempt"
          ? { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: null }
          : {},
    },
  });
  expect(driver.lease()).toEqual([]);
  driver.restart();
  const countFired = (): number =>
    driver.room.eventsAfter(0, 10_000).filter((event) => event.type === "timer.fired").length;
  driver.advance(59_000);
  expect(countFired()).toBe(0);
  driver.advance(3_600_000);
  expect(driver.room.eventsAfter(0, 10_000).filter((event) => event.type === "hold.lifted").length).toBe(1);
  expect(countFired()).toBe(1);
  expect(driver.lease().length).toBe(1);
});

test("[KR7] the same submissions with the same time and entropy give the same journal", () => {
  const journal = (): EventEnvelope[] => {
    const driver = openProjectDriver(42);
    for (let count = 0; count < 5; count += 1) driver.addTask(`task ${count}`);
    driver.startRun({ concurrency: 2 });
    for (const leased of driver.lease()) driver.finish(leased);
    driver.land();
    return driver.room.eventsAfter(0, 10_000);
  };
  expect(journal()).toEqual(journal());
});

test("[KR8] a link delivers every event at least once and in order, also over a crash", async () => {
  const test = openTestRoom(projectRoom);
  for (let count = 1; count <= 5; count += 1) test.accept(create(`task ${count}`));
  let cursor = 0;
  const delivered: string[] = [];
  let crashAfter = 3;
  const ports: LinkPorts = {
    readCursor: () => cursor,
    writeCursor: (_link, seq) => {
      cursor = seq;
    },
    eventsAfter: (seq, limit) => test.room.eventsAfter(seq, limit),
    deliver: async (command) => {
      delivered.push(command.key);
      crashAfter -= 1;
      if (crashAfter === 0) throw new Error("the process dies here");
      await Promise.resolve();
    },
  };
  const link = {
    name: "copy",
    select: (event: EventEnvelope) => ({
      room: "node",
      key: `copy:${event.seq}`,
      actor: event.actor,
      command: {},
    }),
  };
  await expect(pumpLink(link, ports)).rejects.toThrow("the process dies here");
  await pumpLink(link, ports);
  expect(delivered).toEqual(["copy:1", "copy:2", "copy:3", "copy:3", "copy:4", "copy:5"]);
  expect(await pumpLink(link, ports)).toBe(0);
});

test("[KR9] answers are forgotten after three days, events are not", () => {
  const driver = openProjectDriver();
  driver.submit(create("old"), { key: "an-old-key" });
  driver.advance(ANSWER_RETENTION_MS + 1);
  driver.submit(create("new"), { key: "a-new-key" });
  const answers = (): string[] =>
    driver.storage.sql.exec("SELECT key FROM answers ORDER BY key").map((row) => String(row["key"]));
  expect(answers()).toContain("an-old-key");
  // Every few thousand commands the room forgets by itself; renaming one task over and over gets there.
  for (let count = 0; count < 5000; count += 1) {
    driver.submit({ type: "task.update", task: "1", patch: { title: `title ${count}` } });
  }
  expect(answers()).not.toContain("an-old-key");
  expect(answers()).toContain("a-new-key");
  expect(deleteAnswersBefore(driver.storage.sql, driver.nowMs - ANSWER_RETENTION_MS)).toBe(0);
  expect(driver.room.eventsAfter(0, 5)[1]?.type).toBe("task.created");
});
