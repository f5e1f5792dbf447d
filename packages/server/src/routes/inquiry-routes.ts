import { answerSchemas } from "@canopy/protocol";
import { selectInquiries, selectOpenInquiries } from "@canopy/core";
import { z } from "zod";
import type { Route } from "../http/route.ts";
import { readNumberQuery, readParam, route } from "../http/route.ts";
import { projectRoomOf, submitTo } from "./room-call.ts";

const PATH = "/projects/:project/inquiries";

const answerBodySchema = z.strictObject({
  /** An option's id, null to refuse, a text, or one text for each question. */
  answer: z
    .string()
    .max(100_000)
    .nullable()
    .or(z.record(z.string(), z.string().max(100_000))),
});

/** Endpoints of what sessions ask of people. */
export const INQUIRY_ROUTES: readonly Route[] = [
  route({
    method: "get",
    path: PATH,
    summary: "What sessions ask of people: what is open, oldest first, or (all) everything, newest first",
    query: { all: "true", limit: "a number" },
    response: answerSchemas.inquiries,
    handle: (call) => {
      const isAll = call.query.get("all") === "true";
      const limit = readNumberQuery(call.query, "limit", 100);
      const read = projectRoomOf(call);
      return {
        inquiries: read.read((sql) => (isAll ? selectInquiries(sql, limit) : selectOpenInquiries(sql))),
      };
    },
  }),
  route({
    method: "post",
    path: `${PATH}/:inquiry/answer`,
    summary: "Answers it, once; a task that waited for it goes on in the same session",
    body: answerBodySchema,
    response: answerSchemas.inquiry,
    handle: async (call) => {
      const command = {
        type: "inquiry.answer",
        inquiryId: readParam(call, "inquiry"),
        answer: call.body.answer,
      };
      const result = submitTo(projectRoomOf(call), call, command);
      await call.ports.queue.wake(readParam(call, "project"));
      return result;
    },
  }),
];
