import type { EventEnvelope, ProjectEvent } from "@canopy/protocol";
import { projectEventSchema } from "@canopy/protocol";
import type { RoomHost } from "@canopy/core";
import { projectRoomAddress, selectActiveAttempts, selectChangesByState, selectProjects } from "@canopy/core";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { FeedCounts } from "../feed/room-feed.ts";
import type { ServerMetrics } from "../server-ports.ts";
import { createCoordinationMetrics } from "./coordination-metrics.ts";
import { createEventMetrics } from "./event-metrics.ts";
import type { ProjectOfGauge } from "./queue-metrics.ts";
import { createQueueMetrics, registerQueueGauges } from "./queue-metrics.ts";

/** What is read when somebody asks for the metrics. */
export interface MetricsSources {
  readonly host: RoomHost;
  /** Counts of `Server.feeds`; late, because the server is made with its metrics. */
  readonly feedCounts: () => FeedCounts | undefined;
  readonly memoryBytes: () => number;
  /** Copy-on-write workspaces that are mounted now. */
  readonly overlayMounts: () => number;
  /** Open rooms with their size on disk. */
  readonly rooms: () => readonly {
    readonly address: string;
    readonly sizeBytes: number;
    readonly eventCount: number;
  }[];
}

/** Metrics that also count what happens in the rooms: hand it every event of every room, once. */
export interface PrometheusMetrics extends ServerMetrics {
  observeEvents(events: readonly EventEnvelope[]): void;
}

const HTTP_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];

/**
 * Makes the metrics of a daemon for Prometheus. Counters and histograms count since the start of this process; gauges
 * are read from the rooms when somebody asks, so they are never stale.
 */
export function createMetrics(sources: MetricsSources): PrometheusMetrics {
  const registry = new Registry();
  const requests = new Histogram({
    name: "canopy_http_request_duration_seconds",
    help: "Time to answer an HTTP request (to begin the answer, for streams)",
    labelNames: ["method", "route", "status"],
    buckets: HTTP_BUCKETS,
    registers: [registry],
  });
  registerWorkGauges(registry, sources);
  registerFeedGauges(registry, sources);
  registerRoomGauges(registry, sources);
  const observeEvent = createEventMetrics(registry);
  const observeQueue = createQueueMetrics(registry);
  const observeCoordination = createCoordinationMetrics(registry);
  return {
    contentType: registry.contentType,
    render: async () => await registry.metrics(),
    observeRequest: ({ method, route, status, seconds }) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    observeEvents: (events) => {
      for (const event of events) {
        const parsed = parseProjectEvent(event);
        if (parsed === undefined) continue;
        observeEvent(parsed);
        observeQueue(parsed, event.atMs);
        observeCoordination(parsed);
      }
    },
  };
}

const ON_ITS_WAY = ["queued", "building", "testing", "landing"] as const;
const OBSERVED = new Set([
  "attempt.queued",
  "attempt.ended",
  "change.landed",
  "change.conflicted",
  "change.queued",
  "change.updated",
  "change.failing",
  "validation.recorded",
  "run.finished",
  "edit.refused",
  "edit.bypassed",
  "claim.granted",
  "message.sent",
  "wait.updated",
]);

/** Only the few kinds that are counted are parsed. */
function parseProjectEvent(event: EventEnvelope): ProjectEvent | undefined {
  if (
    !OBSERVED.has(event.type) ||
    typeof event.payload !== "object" ||
    event.payload === null ||
    Array.isArray(event.payload)
  )
    return undefined;
  return projectEventSchema.safeParse(Object.assign({ type: event.type }, event.payload)).data;
}

function registerWorkGauges(registry: Registry, { host, overlayMounts }: MetricsSources): void {
  const eachProject = function* (): Generator<ProjectOfGauge> {
    for (const { projectId } of host.room("node")?.read((sql) => selectProjects(sql)) ?? []) {
      const room = host.room(projectRoomAddress(projectId));
      if (room !== undefined) yield { projectId, room };
    }
  };
  registerQueueGauges(registry, eachProject);
  registry.registerMetric(
    new Gauge({
      name: "canopy_merge_queue_depth",
      help: "Changes on their way to the branch: queued, being built, validated or landed",
      registers: [],
      collect() {
        this.set(0);
        for (const { room } of eachProject()) {
          for (const state of ON_ITS_WAY)
            this.inc(room.read((sql) => selectChangesByState(sql, state).length));
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "canopy_active_agents",
      help: "Attempts that are queued or running",
      labelNames: ["status"],
      registers: [],
      collect() {
        for (const status of ["queued", "running"]) this.set({ status }, 0);
        for (const { room } of eachProject()) {
          for (const { state } of room.read((sql) => selectActiveAttempts(sql))) this.inc({ status: state });
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "canopy_overlay_mounts",
      help: "Copy-on-write workspaces that are mounted",
      registers: [],
      collect() {
        this.set(overlayMounts());
      },
    }),
  );
}

function registerFeedGauges(registry: Registry, { feedCounts }: MetricsSources): void {
  registry.registerMetric(
    new Gauge({
      name: "canopy_event_subscribers",
      help: "Subscriptions to rooms, by transport",
      labelNames: ["transport"],
      registers: [],
      collect() {
        const counts = feedCounts()?.subscribers;
        this.set({ transport: "websocket" }, counts?.socket ?? 0);
        this.set({ transport: "sse" }, counts?.stream ?? 0);
      },
    }),
  );
  const total = (name: string, help: string, read: (counts: FeedCounts) => number): void => {
    registry.registerMetric(
      new Counter({
        name,
        help,
        registers: [],
        collect() {
          this.reset();
          const counts = feedCounts();
          this.inc(counts === undefined ? 0 : read(counts));
        },
      }),
    );
  };
  total(
    "canopy_events_published_total",
    "Events of rooms that had subscribers",
    (counts) => counts.publishedEvents,
  );
  total("canopy_events_sent_total", "Events sent to subscribers", (counts) => counts.sentEvents);
  total("canopy_snapshots_sent_total", "Snapshots sent to subscribers", (counts) => counts.sentSnapshots);
}

function registerRoomGauges(registry: Registry, { rooms, memoryBytes }: MetricsSources): void {
  const perRoom = (
    name: string,
    help: string,
    read: (room: ReturnType<typeof rooms>[number]) => number,
  ): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ["room"],
        registers: [],
        collect() {
          this.reset();
          for (const room of rooms()) this.set({ room: room.address }, read(room));
        },
      }),
    );
  };
  perRoom("canopy_room_size_bytes", "Size of a room's database", (room) => room.sizeBytes);
  perRoom("canopy_room_events", "Events in a room's journal", (room) => room.eventCount);
  registry.registerMetric(
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory of this process",
      registers: [],
      collect() {
        this.set(memoryBytes());
      },
    }),
  );
}
