import type { BoardIssue, Json } from "@canopy/protocol";
import { openProjectDriver } from "@canopy/testkit";
import type { ProjectDriver } from "@canopy/testkit";
import { expect, test } from "vitest";
import { selectWhyNotRunning } from "../schedule/why-not-running.ts";
import { selectTasks } from "../tasks/select-tasks.ts";
import { resolveTask } from "../tasks/resolve-task.ts";
import { selectBoard } from "./select-board.ts";

type Fields = Record<string, Json>;

interface Board {
  readonly driver: ProjectDriver;
  create(title: string, fields?: Fields, rest?: Fields): string;
  update(issue: string, patch: Fields, rest?: Fields): unknown;
  issues(): readonly BoardIssue[];
  issue(id: string): BoardIssue;
  exported(): Fields[];
}

function openBoard(prefix = "web", seed = 1): Board {
  const driver = openProjectDriver(seed);
  driver.accept({ type: "board.init", prefix });
  const read = (): readonly BoardIssue[] =>
    selectBoard(driver.room.sql, { withComments: true }, driver.nowMs).issues;
  return {
    driver,
    create: (title, fields = {}, rest = {}) =>
      driver.accept({ type: "issue.create", issue: { title, ...fields }, ...rest })["id"] as string,
    update: (issue, patch, rest = {}) => driver.submit({ type: "issue.update", issue, patch, ...rest }),
    issues: read,
    issue: (id) => read().find(({ record }) => record["id"] === id)!,
    exported: () =>
      read().map(({ record }) => {
        const { dependency_count: _1, dependent_count: _2, comment_count: _3, ...kept } = record;
        return kept;
      }),
  };
}

function codeOf(answer: unknown): string {
  return String(Reflect.get(answer as object, "code") ?? "accepted");
}

function ready(board: Board): unknown[] {
  return board.issues().flatMap(({ record, isReady }) => (isReady ? [record["id"]] : []));
}

/** As real exports are: times with nanoseconds and zones, members that tasks lack, kinds and states of their own. */
const RECORDS: Fields[] = [
  {
    id: "bd-a3f8",
    title: "Log in",
    description: "all of it",
    design: "a sketch",
    acceptance_criteria: "it works",
    notes: "two\nlines",
    status: "in_progress",
    priority: 0,
    issue_type: "epic",
    assignee: "ada",
    owner: "ada@example.org",
    estimated_minutes: 90,
    created_at: "2025-11-20T19:01:02.123456789-08:00",
    created_by: "ada",
    updated_at: "2025-11-21T09:00:00Z",
    due_at: "2026-01-01T00:00:00Z",
    external_ref: "gh-9",
    labels: ["api", "ui"],
    metadata: { from: { tool: "x" }, list: [1, null] },
  },
  {
    id: "bd-a3f8.1",
    title: "The form",
    status: "open",
    priority: 2,
    issue_type: "merge_request",
    created_at: "2025-11-20T20:00:00Z",
    created_by: "bob",
    updated_at: "2025-11-20T20:00:00Z",
    dependencies: [
      {
        issue_id: "bd-a3f8.1",
        depends_on_id: "bd-a3f8",
        type: "parent-child",
        created_at: "2025-11-20T20:00:00.5Z",
        created_by: "bob",
      },
      { issue_id: "bd-a3f8.1", depends_on_id: "external:ops:db", type: "blocks", created_at: "x" },
      { issue_id: "bd-a3f8.1", depends_on_id: "bd-a3f8", type: "replies-to", metadata: "{}" },
    ],
    comments: [
      {
        id: 7,
        issue_id: "bd-a3f8.1",
        author: "cy",
        text: "mind it",
        created_at: "2025-11-20T21:00:00.000001Z",
      },
    ],
  },
  {
    id: "bd-9",
    title: "Old",
    status: "closed",
    priority: 4,
    issue_type: "bug",
    created_at: "2025-01-01T00:00:00Z",
    created_by: "ada",
    updated_at: "2025-01-02T00:00:00Z",
    closed_at: "2025-01-02T00:00:00Z",
    close_reason: "done",
  },
  {
    id: "bd-10",
    title: "Pinned",
    status: "pinned",
    priority: 1,
    issue_type: "task",
    created_at: "2025-01-01T00:00:00Z",
    created_by: "ada",
    updated_at: "2025-01-02T00:00:00Z",
  },
];

test("[BD1] an issue is called by prefix and number, and the prefix stays", () => {
  const board = openBoard();
  expect([board.create("one"), board.create("two", { id: "gate-main" }), board.create("three")]).toEqual([
    "web-1",
    "gate-main",
    "web-3",
  ]);
  board.driver.addTask("theirs", { externalReference: "bd:old-7" });
  expect(board.issues().map(({ record }) => [record["id"], record["external_ref"]])).toEqual([
    ["web-1", undefined],
    ["gate-main", undefined],
    ["web-3", undefined],
    ["old-7", undefined],
  ]);
  expect(codeOf(board.driver.submit({ type: "board.init", prefix: "api" }))).toBe("board.prefix-fixed");
  expect(codeOf(board.driver.submit({ type: "board.init", prefix: "web" }))).toBe("accepted");
});

test("[BD2] a task is found by its issue id, and no two share one", () => {
  const board = openBoard();
  board.create("one");
  board.driver.accept({
    type: "issue.import",
    issues: [
      { id: "web-5", title: "five" },
      { id: "web-1", title: "one, renamed" },
      { id: "old-2", title: "theirs" },
      { id: "web-99999999", title: "a date, perhaps" },
    ],
  });
  const later = board.create("later");
  const ids = board.issues().map(({ record }) => record["id"]);
  expect([later, ids, new Set(ids).size]).toEqual([
    "web-8",
    ["web-1", "web-5", "old-2", "web-99999999", "web-8"],
    5,
  ]);
  const titles = ["web-1", "web-5", "web-6", "old-2", "#6", "bd:nothing"].map((reference) => {
    const found = resolveTask(board.driver.room.sql, reference);
    return found.type === "task" ? found.task.title : found.code;
  });
  expect(titles).toEqual(["one, renamed", "five", "theirs", "theirs", "theirs", "task.not-found"]);
  expect(codeOf(board.driver.submit({ type: "issue.create", issue: { id: "web-5", title: "again" } }))).toBe(
    "task.duplicate-reference",
  );
});

test("[BD3] a part is called by its parent's id and the next number", () => {
  const board = openBoard();
  const epic = board.create("epic", { issue_type: "epic" });
  const parts = [1, 2].map((part) => board.create(`part ${part}`, {}, { parent: epic }));
  const leaf = board.create("leaf", {}, { parent: parts[1]! });
  expect([parts, leaf, board.issue(leaf).parent]).toEqual([["web-1.1", "web-1.2"], "web-1.2.1", "web-1.2"]);
  board.update(leaf, { parent: epic });
  expect(board.issue(leaf).parent).toBe(epic);
  board.update(leaf, { parent: "" });
  expect([board.issue(leaf).parent, board.issue(leaf).record["dependencies"]]).toEqual([null, undefined]);
});

test("[BD4] of two claims one wins, and nothing of the other is changed", () => {
  const board = openBoard();
  const id = board.create("one");
  const claim = (by: string, patch: Fields = {}): unknown =>
    board.driver.submit(
      { type: "issue.update", issue: id, patch, isClaim: true },
      { actor: { kind: "person", id: by } },
    );
  const answers = [claim("ada"), claim("bob", { title: "mine" }), claim("ada")];
  expect(answers.map(codeOf)).toEqual(["accepted", "task.already-claimed", "accepted"]);
  const { title, status, assignee } = board.issue(id).record;
  expect([title, status, assignee]).toEqual(["one", "in_progress", "ada"]);
  board.update(id, { status: "open", assignee: "" });
  expect([codeOf(claim("bob")), board.issue(id).record["assignee"]]).toEqual(["accepted", "bob"]);
  board.driver.accept({ type: "issue.close", issue: id, reason: "done" });
  expect(codeOf(claim("ada"))).toBe("task.closed");
});

test("[BD5] what was imported is exported as it was", () => {
  const board = openBoard("bd");
  board.driver.accept({ type: "issue.import", issues: RECORDS });
  expect(board.exported()).toEqual(RECORDS);
  const other = openBoard("elsewhere", 2);
  other.driver.accept({ type: "issue.import", issues: board.exported() });
  expect(other.exported()).toEqual(RECORDS);
  expect(selectTasks(other.driver.room.sql).map(({ status, claim }) => [status, claim?.holder])).toEqual([
    ["in_progress", "ada"],
    ["open", undefined],
    ["closed", undefined],
    ["deferred", undefined],
  ]);
});

test("[BD5] what was changed here is no longer what was imported, and the rest is", () => {
  const board = openBoard("bd");
  board.driver.accept({ type: "issue.import", issues: RECORDS });
  board.update("bd-10", { status: "open", fields: { design: "new" } });
  board.update("bd-a3f8.1", { issue_type: "bug" });
  board.driver.accept({ type: "issue.unlink", issue: "bd-a3f8.1", on: "external:ops:db" });
  board.driver.accept({ type: "dependency.remove", task: "bd-a3f8.1", on: "bd-a3f8" });
  const pinned = board.issue("bd-10").record;
  const form = board.issue("bd-a3f8.1").record;
  expect([pinned["status"], pinned["design"], form["issue_type"], form["dependencies"]]).toEqual([
    "open",
    "new",
    "bug",
    [{ issue_id: "bd-a3f8.1", depends_on_id: "bd-a3f8", type: "replies-to", metadata: "{}" }],
  ]);
});

test("[BD5] limits and agents of tasks survive an export too", () => {
  const board = openBoard();
  board.driver.addTask("slow", { timeoutMs: 60_000, agent: "codex", model: "large" });
  const other = openBoard("web", 2);
  other.driver.accept({ type: "issue.import", issues: board.exported() });
  expect(selectTasks(other.driver.room.sql)).toMatchObject([
    { timeoutMs: 60_000, agent: "codex", model: "large" },
  ]);
});

test("[BD6] the second import changes nothing, and a bad one nothing at all", () => {
  const board = openBoard("bd");
  const put = (issues: Fields[]): unknown => board.driver.submit({ type: "issue.import", issues });
  expect(put(RECORDS)).toMatchObject({ result: { createdCount: 4, updatedCount: 0, unchangedCount: 0 } });
  const { lastSeq } = board.driver.room;
  expect(put(RECORDS)).toMatchObject({ result: { createdCount: 0, updatedCount: 0, unchangedCount: 4 } });
  expect(board.driver.room.lastSeq).toBe(lastSeq);
  expect(
    codeOf(
      put([
        { id: "bd-77", title: "good" },
        { id: "bd-78", title: " " },
      ]),
    ),
  ).toBe("command.invalid");
  expect(put([{ ...RECORDS[2]!, title: "Older" }])).toMatchObject({ result: { updatedCount: 1 } });
  expect(board.issues().map(({ record }) => record["title"])).toEqual([
    "Log in",
    "The form",
    "Older",
    "Pinned",
  ]);
});

test("[BD7] a link that would close a cycle, or leads nowhere, is kept and said", () => {
  const board = openBoard("bd");
  const link = (from: string, to: string): Fields => ({ issue_id: from, depends_on_id: to, type: "blocks" });
  const issues = [
    { id: "bd-1", title: "one", dependencies: [link("bd-1", "bd-2")] },
    { id: "bd-2", title: "two", dependencies: [link("bd-2", "bd-1"), link("bd-2", "bd-404")] },
  ];
  const answer = board.driver.accept({ type: "issue.import", issues });
  expect(answer["skipped"]).toEqual([
    "bd-2 -> bd-1 (blocks): this would close a cycle: #2 -> #1 -> #2",
    "bd-2 -> bd-404 (blocks): no such issue",
  ]);
  expect([ready(board), board.issue("bd-2").record["dependencies"]]).toEqual([
    ["bd-2"],
    [link("bd-2", "bd-1"), link("bd-2", "bd-404")],
  ]);
});

test("[BD7] links are spoken as the tracker speaks them", () => {
  const board = openBoard();
  const [first, second] = [board.create("first"), board.create("second")];
  const third = board.create(
    "third",
    {},
    {
      links: [
        { on: first, type: "blocked-by" },
        { on: second, type: "blocks", isBlocking: true },
        { on: first, type: "duplicates" },
      ],
    },
  );
  expect([board.issue(third).blockedBy, board.issue(second).blockedBy, ready(board)]).toEqual([
    [first],
    [third],
    [first],
  ]);
  expect(codeOf(board.driver.submit({ type: "issue.link", issue: first, on: second }))).toBe("task.cycle");
  expect(codeOf(board.driver.submit({ type: "issue.link", issue: first, on: "web-9" }))).toBe(
    "task.not-found",
  );
  expect(codeOf(board.driver.submit({ type: "issue.unlink", issue: first, on: second }))).toBe(
    "task.not-found",
  );
});

test("[BD8] what a run's agent works on stays with it", () => {
  const board = openBoard();
  const id = board.create("one");
  board.driver.startRun();
  board.driver.lease();
  const answers = [
    board.update(id, {}, { isClaim: true }),
    board.update(id, { status: "open" }),
    board.driver.submit({ type: "issue.close", issue: id }),
    board.driver.submit({ type: "issue.reopen", issue: id }),
  ];
  expect(answers.map(codeOf)).toEqual(Array(4).fill("task.already-claimed"));
  board.driver.accept({ type: "issue.import", issues: [{ id, title: "renamed", status: "closed" }] });
  const [task] = selectTasks(board.driver.room.sql);
  expect([task?.title, task?.status]).toEqual(["renamed", "in_progress"]);
});

test("[BD9] what is put off is ready when its time has come", () => {
  const board = openBoard();
  const until = new Date(board.driver.nowMs + 1000).toISOString();
  const id = board.create("later", { defer_until: until });
  expect(ready(board)).toEqual([]);
  board.driver.advance(1000);
  expect(ready(board)).toEqual([id]);
  board.update(id, { status: "deferred" });
  expect(ready(board)).toEqual([]);
});

test("[BD9] a run takes what is put off when its time has come, by itself, and not before", () => {
  const board = openBoard();
  const { driver } = board;
  const id = board.create("later", { defer_until: new Date(driver.nowMs + 1000).toISOString() });
  driver.startRun({ watch: true });
  const [task] = selectTasks(driver.room.sql);
  expect(driver.lease()).toEqual([]);
  expect(selectWhyNotRunning(driver.room.sql, task!, driver.nowMs).map(({ code }) => code)).toEqual([
    "deferred",
  ]);
  driver.advance(999);
  expect(driver.lease()).toEqual([]);
  driver.advance(1);
  expect(driver.lease()).toHaveLength(1);
  const other = board.create("never mind", { defer_until: new Date(driver.nowMs + 9000).toISOString() });
  board.update(other, { fields: { defer_until: null } });
  expect([id, driver.lease().length]).toEqual(["web-1", 1]);
});

test("[KR4] the tables of the board are rebuilt from the journal", () => {
  const board = openBoard("bd");
  board.driver.accept({ type: "issue.import", issues: RECORDS });
  board.driver.accept({ type: "dependency.remove", task: "bd-a3f8.1", on: "bd-a3f8" });
  const before = board.exported();
  board.driver.room.replay();
  expect(board.exported()).toEqual(before);
});

test("[TK10] the prompt holds what an issue says beside its description", () => {
  const board = openBoard();
  board.create("Add a parser", {
    description: "For TOML.",
    acceptance_criteria: "dates work",
    design: "by hand",
  });
  board.driver.startRun();
  const [leased] = board.driver.lease();
  const prompt = leased?.payload.kind === "attempt" ? leased.payload.prompt : "";
  expect(prompt).toContain("For TOML.\n\n## Design\nby hand\n\n## Acceptance criteria\ndates work\n");
});

test("[BD2] an import of tasks that names an issue brings it up to date instead of making another one", () => {
  const board = openBoard();
  board.create("one");
  const tasks = [
    { title: "one, again", externalReference: "bd:web-1" },
    { title: "two", externalReference: "bd:new-1", dependencies: [{ on: "bd:web-1" }] },
  ];
  expect(board.driver.accept({ type: "task.import", tasks })).toMatchObject({
    createdCount: 1,
    updatedCount: 1,
  });
  expect(board.issues().map(({ record, blockedBy }) => [record["id"], record["title"], blockedBy])).toEqual([
    ["web-1", "one, again", []],
    ["new-1", "two", ["web-1"]],
  ]);
});
