import type { Json, NodeCommand, NodeEvent, Project } from "@canopy/protocol";
import { reject } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import { accept } from "../kernel/room-definition.ts";
import type { Sql } from "../kernel/sql.ts";
import { parseColumn } from "../kernel/sql.ts";

/** One repository that this device knows, or undefined. */
export function selectProject(sql: Sql, projectId: string): Project | undefined {
  const [row] = sql.exec("SELECT value FROM projects WHERE project_id = ?", projectId);
  return row === undefined ? undefined : parseColumn<Project>(row, "value");
}

/** Every repository that this device knows, in the order they were first seen. */
export function selectProjects(sql: Sql): Project[] {
  return sql
    .exec("SELECT value FROM projects ORDER BY position")
    .map((row) => parseColumn<Project>(row, "value"));
}

/** The repositories that a device knows. */
export const projectListFeature: RoomFeature<NodeCommand, NodeEvent> = {
  name: "projects",
  migrations: [
    {
      id: "projects-1",
      statements: [
        "CREATE TABLE projects (project_id TEXT PRIMARY KEY, position INTEGER NOT NULL, value TEXT NOT NULL)",
      ],
    },
  ],
  tables: ["projects"],
  decide: {
    "project.register": (context, command) => {
      const known = selectProject(context.sql, command.projectId);
      const project: Project = {
        projectId: command.projectId,
        name: command.name,
        path: command.path,
        commonDirectory: command.commonDirectory,
        addedAtMs: known?.addedAtMs ?? context.nowMs,
      };
      if (JSON.stringify(known) !== JSON.stringify(project))
        context.emit({ type: "project.registered", project });
      return accept({ project: project as unknown as Json });
    },
    "project.forget": (context, command) => {
      const project = selectProject(context.sql, command.projectId);
      if (project === undefined) return reject("command.invalid", `no project ${command.projectId}`);
      context.emit({ type: "project.forgotten", project });
      return accept();
    },
  },
  project: {
    "project.registered": (sql, { project }) => {
      sql.exec(
        `INSERT INTO projects (project_id, position, value) VALUES (?, (SELECT COALESCE(MAX(position), 0) + 1 FROM projects), ?)
         ON CONFLICT (project_id) DO UPDATE SET value = excluded.value`,
        project.projectId,
        JSON.stringify(project),
      );
    },
    "project.forgotten": (sql, { project }) => {
      sql.exec("DELETE FROM projects WHERE project_id = ?", project.projectId);
    },
  },
};
