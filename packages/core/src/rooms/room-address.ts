/** Address of a project's room. */
export function projectRoomAddress(projectId: string): string {
  return `project/${projectId}`;
}

/** Address of the room of one feature of a project. Feature ids are unique in their project only. */
export function featureRoomAddress(projectId: string, featureId: string): string {
  return `feature/${featureId}-${projectId.replace(/^prj_/, "")}`;
}
