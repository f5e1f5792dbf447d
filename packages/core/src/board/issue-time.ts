/** A point in time as trackers write it, in ms; null when it is none. One without a zone is taken as UTC. */
export function parseIssueTime(text: string | null | undefined): number | null {
  if (text === null || text === undefined || text === "") return null;
  const withZone = /(?:Z|[+-]\d\d:?\d\d)$/i.test(text)
    ? text
    : `${text.includes("T") ? text : `${text}T00:00:00`}Z`;
  const value = Date.parse(withZone);
  return Number.isNaN(value) ? null : value;
}

/** A point in time as trackers write it; in the words in which it came, as long as they say the same. */
export function formatIssueTime(atMs: number, original?: string): string {
  return original !== undefined && parseIssueTime(original) === atMs
    ? original
    : new Date(atMs).toISOString();
}
