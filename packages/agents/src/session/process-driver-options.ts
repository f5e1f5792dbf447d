import type { SessionGraces } from "./process-session.ts";

/** How to run an agent that has a driver of its own. `args` are added to those that Canopy needs, where the driver says. */
export interface ProcessDriverOptions {
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  readonly graces?: Partial<SessionGraces>;
  readonly startMs?: number;
}
