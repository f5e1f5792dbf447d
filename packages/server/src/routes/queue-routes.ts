import { answerSchemas, queueAnswerSchemas, resolveRequestSchema } from "@canopy/protocol";
import type { QueueView } from "@canopy/protocol";
import type { RoomHandle } from "@canopy/core";
import {
  selectChanges,
  selectFlakySteps,
  selectOverlaps,
  selectQueueOrder,
  selectQueuePauses,
  selectStacks,
  selectTrials,
} from "@canopy/core";
import { z } from "zod";
import type { Route, RouteCall } from "../http/route.ts";
import { readParam, route } from "../http/route.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const PATH = "/projects/:project";
const CHANGE = `${PATH}/changes/:change`;
const reasonSchema = z.strictObject({ reason: z.string().max(5000).default("") });
const branchSchema = z.strictObject({
  branch: z.string().min(1).optional(),
  reason: z.string().max(5000).default(""),
});
/** What is on its way, in the order in which it gets there. */
const MOVING = ["landing", "testing", "building"];
const OVER = new Set(["landed", "abandoned"]);

function readQueue(room: RoomHandle, nowMs: number): QueueView {
  return room.read((sql) => {
    const moving = selectChanges(sql).filter(({ state }) => MOVING.includes(state));
    const stacked = selectStacks(sql).flatMap((stack) => stack.candidates.map((item) => item.changeId));
    const rank = (change: (typeof moving)[number]): number => {
      const at = stacked.indexOf(change.changeId);
      return at === -1 ? stacked.length : at;
    };
    moving.sort(
      (left, right) => MOVING.indexOf(left.state) - MOVING.indexOf(right.state) || rank(left) - rank(right),
    );
    return {
      order: [...moving, ...selectQueueOrder(sql, nowMs)].map((change) => change.changeId),
      stacks: selectStacks(sql),
      trials: selectTrials(sql),
      pauses: selectQueuePauses(sql),
      flakySteps: selectFlakySteps(sql),
      overlaps: selectOverlaps(sql),
    };
  });
}

/** `main`, `canopy/main` and the full name are the same branch; without one, all that have changes or a pause. */
function refsOf(room: RoomHandle, branch: string | undefined): string[] {
  if (branch !== undefined) {
    if (branch.startsWith("refs/")) return [branch];
    return [`refs/heads/${branch.startsWith("canopy/") ? branch : `canopy/${branch}`}`];
  }
  return room.read((sql) => {
    const open = selectChanges(sql).filter(({ state }) => !OVER.has(state));
    const paused = selectQueuePauses(sql);
    return [...new Set([...open, ...paused].map((item) => item.integrationRef))].sort();
  });
}

async function steerQueue(
  call: RouteCall<z.infer<typeof branchSchema>>,
  type: "queue.pause" | "queue.resume",
): Promise<unknown> {
  const room = projectRoomOf(call);
  if (type === "queue.resume") await call.ports.queue.wake(readParam(call, "project"));
  let requeuedCount = 0;
  const refs = refsOf(room, call.body.branch);
  for (const [index, integrationRef] of refs.entries()) {
    const command = { type, integrationRef, ...(type === "queue.pause" ? { reason: call.body.reason } : {}) };
    const result = submitTo(room, { ...call, key: `${call.key}:${index}` }, command);
    requeuedCount += countOf(result);
  }
  return { branches: refs.map((ref) => ref.replace("refs/heads/", "")), requeuedCount };
}

function countOf(result: unknown): number {
  const count: unknown =
    typeof result === "object" && result !== null ? Reflect.get(result, "requeuedCount") : 0;
  return typeof count === "number" ? count : 0;
}

const steering: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/queue`,
    summary: "The merge queue: order, stacks of candidates, validations, pauses, flaky steps, overlaps",
    response: queueAnswerSchemas.queue,
    handle: (call) => readQueue(projectRoomOf(call), call.ports.now()),
  }),
  route({
    method: "post",
    path: `${PATH}/queue/pause`,
    summary: "Nothing lands on a branch (or any) until it is resumed",
    response: queueAnswerSchemas.branches,
    body: branchSchema,
    handle: (call) => steerQueue(call, "queue.pause"),
  }),
  route({
    method: "post",
    path: `${PATH}/queue/resume`,
    summary: "Landing goes on, and what was blocked is tried again",
    response: queueAnswerSchemas.branches,
    body: branchSchema,
    handle: (call) => steerQueue(call, "queue.resume"),
  }),
];

/** Commands that name a change and nothing else; the queue has to be at work for them. */
const plain = (
  [
    ["requeue", "Puts a change that stands aside back into the queue; its budgets start afresh"],
    ["accept-loss", "Accepts that a change takes lines of others away"],
  ] as const
).map(([verb, summary]) =>
  route({
    method: "post",
    path: `${CHANGE}/${verb}`,
    summary,
    response: answerSchemas.changeId,
    handle: async (call) => {
      const changeId = readParam(call, "change");
      const room = projectRoomOf(call);
      const answer = submitTo(room, call, { type: `change.${verb}`, changeId });
      await call.ports.queue.wake(readParam(call, "project"));
      return answer;
    },
  }),
);

const aside = (
  [
    ["abandon", "Takes a change out for good; its work is kept"],
    ["eject", "Takes a change out of the queue until somebody has it tried again"],
    ["pause", "Holds one change back"],
  ] as const
).map(([verb, summary]) =>
  route({
    method: "post",
    path: `${CHANGE}/${verb}`,
    summary,
    response: answerSchemas.changeId,
    body: reasonSchema,
    handle: (call) =>
      submitTo(projectRoomOf(call), call, {
        type: `change.${verb}`,
        changeId: readParam(call, "change"),
        reason: call.body.reason,
      }),
  }),
);

const resolving: readonly Route[] = [
  route({
    method: "post",
    path: `${CHANGE}/reorder`,
    summary: "Puts a waiting change first, last, or right before another one",
    response: answerSchemas.changeId,
    body: z.strictObject({ to: z.enum(["first", "last"]).or(z.strictObject({ before: z.string() })) }),
    handle: (call) =>
      submitTo(projectRoomOf(call), call, {
        type: "change.reorder",
        changeId: readParam(call, "change"),
        to: call.body.to,
      }),
  }),
  route({
    method: "get",
    path: `${CHANGE}/conflict`,
    summary: "The conflicted files of a change as it merges now: kinds, versions, intents of both sides",
    response: queueAnswerSchemas.conflict,
    handle: (call) => call.ports.queue.readConflict(readParam(call, "project"), readParam(call, "change")),
  }),
  route({
    method: "post",
    path: `${CHANGE}/resolve`,
    summary: "Resolves a conflicted change by a choice for each of its files",
    response: queueAnswerSchemas.resolution,
    body: resolveRequestSchema,
    handle: (call) =>
      call.ports.queue.resolve(readParam(call, "project"), readParam(call, "change"), call.body, call),
  }),
];

const patches: readonly Route[] = [
  route({
    method: "get",
    path: `${PATH}/patches`,
    summary: "Kept work that did not land: failed candidates, attempts, resolutions",
    response: queueAnswerSchemas.patches,
    handle: async (call) => ({ patches: await call.ports.queue.listPatches(readParam(call, "project")) }),
  }),
  route({
    method: "get",
    path: `${PATH}/patches/:ref`,
    summary: "One kept commit as a patch; the ref with slashes as %2F, with or without refs/canopy/",
    query: { format: "patch: the patch itself instead of JSON" },
    response: queueAnswerSchemas.patch,
    handle: async (call) => {
      const found = await call.ports.queue.exportPatch(readParam(call, "project"), readParam(call, "ref"));
      if (call.query.get("format") !== "patch") return { ...found, patch: encodeBase64(found.patch) };
      const headers = { "content-type": "text/x-patch", "x-content-type-options": "nosniff" };
      return new Response(new Uint8Array(found.patch), { headers });
    },
  }),
  route({
    method: "post",
    path: `${PATH}/patches/apply`,
    summary: "Makes a kept commit the work of its change again, and queues it",
    response: queueAnswerSchemas.resolution,
    body: z.strictObject({ ref: z.string().min(1) }),
    handle: (call) => call.ports.queue.applyPatch(readParam(call, "project"), call.body.ref, call),
  }),
  route({
    method: "post",
    path: `${PATH}/patches/expire`,
    summary: "Forgets kept work that is older than the configuration keeps it",
    response: queueAnswerSchemas.expired,
    body: z.strictObject({ dryRun: z.boolean().default(false) }),
    handle: async (call) => {
      const { dryRun } = call.body;
      const expired = await call.ports.queue.expirePatches(readParam(call, "project"), dryRun);
      return { dryRun, expired };
    },
  }),
];

const CHUNK_BYTES = 32_768;

function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK_BYTES));
  return btoa(text);
}

/** Endpoints of the merge queue. */
export const QUEUE_ROUTES: readonly Route[] = [...steering, ...plain, ...aside, ...resolving, ...patches];
