import type { Claim, CoordinationState, ProjectEvent, ProjectState, Session, Wait } from "@canopy/protocol";
import type { Order } from "./upsert.ts";
import { compareText, upsertAtEnd, upsertSorted } from "./upsert.ts";

const byFence: Order<Claim> = (left, right) => left.fence - right.fence;
const byStart: Order<Wait> = (left, right) =>
  left.startedAtMs - right.startedAtMs || compareText(left.waitId, right.waitId);

function reduceWait(waits: readonly Wait[], wait: Wait): Wait[] {
  const others = waits.filter((other) => other.waitId !== wait.waitId);
  return wait.state === "waiting" ? upsertSorted(others, wait, byStart) : others;
}

function reduce(state: CoordinationState, event: ProjectEvent): CoordinationState {
  switch (event.type) {
    case "claim.granted":
    case "claim.updated":
      return { ...state, claims: upsertSorted(state.claims, event.claim, byFence) };
    case "claim.ended":
      return { ...state, claims: state.claims.filter((claim) => claim.claimId !== event.claim.claimId) };
    case "ticket.queued": {
      const { ticket } = event;
      return {
        ...state,
        tickets: upsertAtEnd(state.tickets, ticket, (other) => other.ticketId === ticket.ticketId),
      };
    }
    case "ticket.ended":
      return {
        ...state,
        tickets: state.tickets.filter((ticket) => ticket.ticketId !== event.ticket.ticketId),
      };
    case "wait.started":
    case "wait.updated":
      return { ...state, waits: reduceWait(state.waits, event.wait) };
    case "coordination.finished":
      return { ...state, isFinished: true };
    case "coordination.reopened":
      return { ...state, isFinished: false };
    default:
      return state;
  }
}

/** Sessions of terminals that ended before a time are forgotten; those of runs stay. */
function isForgotten(session: Session, beforeMs: number): boolean {
  const { presence, state, endedAtMs, attemptId } = session;
  return (
    presence !== null && state === "ended" && attemptId === null && endedAtMs !== null && endedAtMs < beforeMs
  );
}

/** The state after an event about claims, lines, waits or the end of a project; the same state after any other. */
export function reduceCoordination(state: ProjectState, event: ProjectEvent): ProjectState {
  if (event.type === "coordination.pruned") {
    const { beforeMs } = event;
    return { ...state, sessions: state.sessions.filter((session) => !isForgotten(session, beforeMs)) };
  }
  const coordination = reduce(state.coordination, event);
  return coordination === state.coordination ? state : { ...state, coordination };
}
