import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import {
  CLAIM_MIGRATIONS,
  CLAIM_PROJECTIONS,
  CLAIM_TABLES,
  selectClaim,
  selectTicket,
} from "./claim-rows.ts";
import {
  decideAcquire,
  decideCancelTicket,
  decideForce,
  decideHandOver,
  decideRelease,
  decideRenew,
} from "./decide-claim.ts";
import { decideBeginEdit, decideEndEdit, decideReportBypass } from "./decide-edit.ts";
import { endTicket, expireClaim, settleClaims } from "./grant-claims.ts";

/** Claims on files and named resources, the line for them, and what edits do with both. */
export const claimFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "claims",
  migrations: CLAIM_MIGRATIONS,
  tables: CLAIM_TABLES,
  decide: {
    "claim.acquire": decideAcquire,
    "claim.renew": decideRenew,
    "claim.release": decideRelease,
    "claim.force": decideForce,
    "claim.hand-over": decideHandOver,
    "ticket.cancel": decideCancelTicket,
    "edit.begin": decideBeginEdit,
    "edit.end": decideEndEdit,
    "edit.report-bypass": decideReportBypass,
  },
  project: CLAIM_PROJECTIONS,
  timers: {
    claims: (context, key) => {
      const claim = selectClaim(context.sql, key.slice("claims:".length));
      if (claim !== undefined) expireClaim(context, claim);
    },
    tickets: (context, key) => {
      const found = selectTicket(context.sql, key.slice("tickets:".length));
      if (found?.state === "queued") endTicket(context, found.ticket, "timed-out");
    },
  },
  react: settleClaims,
};
