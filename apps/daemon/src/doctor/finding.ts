/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  readonly state: "ok" | "warning" | "failed";
  readonly detail: string;
  readonly hint?: string;
  /** Mends it, where that loses nothing. */
  readonly mend?: () => void;
}
