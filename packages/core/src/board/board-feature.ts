import type { IssueExtras, ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { clearTimer, setTimer } from "../kernel/timers.ts";
import { readDeferral, selectExtras } from "./board-rows.ts";
import { BOARD_MIGRATIONS, BOARD_TABLES } from "./board-schema.ts";
import { decideImportIssues } from "./decide-import.ts";
import {
  decideCloseIssue,
  decideCommentIssue,
  decideCreateIssue,
  decideInitBoard,
  decideLinkIssue,
  decideReopenIssue,
  decideUnlinkIssue,
  decideUpdateIssue,
} from "./decide-issue.ts";

function writeExtras(sql: Sql, extras: IssueExtras): void {
  sql.exec(
    `INSERT INTO issues (task_id, issue_id, value, defer_until_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (task_id) DO UPDATE SET issue_id = excluded.issue_id, value = excluded.value,
       defer_until_ms = excluded.defer_until_ms`,
    extras.taskId,
    extras.issueId,
    JSON.stringify(extras),
    readDeferral(extras),
  );
}

/** The work board: tasks as issues of a tracker that agents know, with what such issues have beside tasks. */
export const boardFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "board",
  migrations: BOARD_MIGRATIONS,
  tables: BOARD_TABLES,
  decide: {
    "board.init": decideInitBoard,
    "issue.create": decideCreateIssue,
    "issue.import": decideImportIssues,
    "issue.update": decideUpdateIssue,
    "issue.close": decideCloseIssue,
    "issue.reopen": decideReopenIssue,
    "issue.comment": decideCommentIssue,
    "issue.link": decideLinkIssue,
    "issue.unlink": decideUnlinkIssue,
  },
  // That it fired is enough: runs look for work after every event.
  timers: { board: () => undefined },
  project: {
    "board.configured": (sql, { prefix }) => {
      sql.exec("INSERT OR REPLACE INTO board (id, prefix) VALUES (1, ?)", prefix);
    },
    "issue.changed": (sql, { extras }, { atMs }) => {
      writeExtras(sql, extras);
      const untilMs = readDeferral(extras);
      if (untilMs !== null && untilMs > atMs) setTimer(sql, `board:${extras.taskId}`, untilMs);
      else clearTimer(sql, `board:${extras.taskId}`);
    },
    // However a dependency goes, what was kept of it goes too, or an export would bring it back.
    "dependency.removed": (sql, { dependency }) => {
      const extras = selectExtras(sql, dependency.taskId);
      const links = extras.links.filter(({ on }) => on !== dependency.dependsOnId);
      if (links.length !== extras.links.length) writeExtras(sql, { ...extras, links });
    },
  },
};
