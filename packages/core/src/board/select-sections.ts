import type { TaskId } from "@canopy/protocol";
import type { Sql } from "../kernel/sql.ts";
import { selectExtras } from "./board-rows.ts";

const HEADINGS = [
  ["design", "Design"],
  ["acceptance_criteria", "Acceptance criteria"],
  ["notes", "Notes"],
] as const;

/** What an issue says beside its description, as headings and texts: for whoever is to do it. */
export function selectSections(sql: Sql, taskId: TaskId): (readonly [string, string])[] {
  const { fields } = selectExtras(sql, taskId);
  return HEADINGS.flatMap(([name, heading]) => {
    const text = fields[name];
    return typeof text === "string" && text.trim() !== "" ? [[heading, text] as const] : [];
  });
}
