import type { ProjectEvent } from "@canopy/protocol";
import type { Registry } from "prom-client";
import { Counter, Histogram } from "prom-client";

const WAIT_BUCKETS = [0.1, 1, 5, 10, 30, 60, 300, 600, 1800];

/** Registers what is counted of sessions side by side; the returned function takes each event of a project room once. */
export function createCoordinationMetrics(registry: Registry): (event: ProjectEvent) => void {
  const registers = [registry];
  const refused = new Counter({
    name: "canopy_edits_refused_total",
    help: "Edits that were kept from files that another session holds",
    registers,
  });
  const bypassed = new Counter({
    name: "canopy_edits_bypassed_total",
    help: "Refusals that somebody went past",
    registers,
  });
  const claims = new Counter({
    name: "canopy_claims_granted_total",
    help: "Claims by how they were made",
    labelNames: ["how"],
    registers,
  });
  const messages = new Counter({
    name: "canopy_messages_sent_total",
    help: "Messages between sessions by kind",
    labelNames: ["kind"],
    registers,
  });
  const waits = new Histogram({
    name: "canopy_session_wait_seconds",
    help: "Time that sessions waited for others, by how it ended",
    labelNames: ["state"],
    buckets: WAIT_BUCKETS,
    registers,
  });
  return (event) => {
    if (event.type === "edit.refused") refused.inc();
    else if (event.type === "edit.bypassed") bypassed.inc();
    else if (event.type === "claim.granted") claims.inc({ how: event.claim.isAutomatic ? "edit" : "asked" });
    else if (event.type === "message.sent") messages.inc({ kind: event.message.kind });
    else if (event.type === "wait.updated") {
      const { state, startedAtMs, settledAtMs, isTold } = event.wait;
      // An end is told once it is an end: counted at the first of the two.
      if (settledAtMs !== null && (!isTold || settledAtMs === startedAtMs))
        waits.observe({ state }, (settledAtMs - startedAtMs) / 1000);
    }
  };
}
