import { coordinationRequestSchema, jsonSchema } from "@canopy/protocol";
import type { Route } from "../http/route.ts";
import { route } from "../http/route.ts";

/** Endpoints of coordination: one, whose body says which act, with paths and names as they are typed. */
export const COORDINATION_ROUTES: readonly Route[] = [
  route({
    method: "post",
    path: "/coordination",
    summary: "Sessions, claims, mail and waits: one act of an agent or a person",
    body: coordinationRequestSchema,
    response: jsonSchema,
    handle: async ({ ports, body, actor, key, signal }) =>
      await ports.coordination.act(body, { actor, key, signal }),
  }),
];
