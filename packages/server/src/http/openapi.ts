import { CANOPY_VERSION, wireErrorSchema } from "@canopy/protocol";
import { z } from "zod";
import type { Route } from "./route.ts";

type JsonSchema = Record<string, unknown>;

function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    target: "draft-2020-12",
  });
  return rest;
}

function operationOf(route: Route): JsonSchema {
  const pathParameters = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const queryParameters = Object.entries(route.query ?? {}).map(([name, description]) => ({
    name,
    in: "query",
    description,
    schema: { type: "string" },
  }));
  const success = String(route.successStatus ?? 200);
  const answer = schemaOf(route.response, "output");
  return {
    summary: route.summary,
    operationId: `${route.method}${route.path.replaceAll(/[^A-Za-z]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? "")}`,
    parameters: [...pathParameters, ...queryParameters],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: schemaOf(route.body, "input") } },
          },
        }),
    responses: {
      [success]: { description: "OK", content: { "application/json": { schema: answer } } },
      default: {
        description: "An error with a stable code",
        content: { "application/json": { schema: { $ref: "#/components/schemas/WireError" } } },
      },
    },
  };
}

function streamOperation(
  summary: string,
  operationId: string,
  parameters: readonly JsonSchema[],
): JsonSchema {
  const query = {
    after: "go on after this sequence number; without it the stream begins with a snapshot",
    live: "true also sends what is not kept: text as it is written, and activity",
  };
  return {
    summary,
    operationId,
    parameters: [
      ...parameters,
      ...Object.entries(query).map(([name, description]) => ({
        name,
        in: "query",
        description,
        schema: { type: "string" },
      })),
      {
        name: "Last-Event-ID",
        in: "header",
        description: "the same as after",
        schema: { type: "string" },
      },
    ],
    responses: {
      "200": {
        description: "Server-sent events: snapshot, event (id is its sequence number), live, activity",
        content: { "text/event-stream": { schema: { type: "string" } } },
      },
    },
  };
}

const STREAMS: Readonly<Record<string, JsonSchema>> = {
  "/api/v1/events/stream": {
    get: streamOperation("Events of any room as a stream", "getEventsStream", [
      {
        name: "room",
        in: "query",
        description: "node (the default), project/ID or feature/ID",
        schema: { type: "string" },
      },
    ]),
  },
  "/api/v1/projects/{project}/events/stream": {
    get: streamOperation("Events of a project as a stream", "getProjectsProjectEventsStream", [
      { name: "project", in: "path", required: true, schema: { type: "string" } },
    ]),
  },
};

/** The OpenAPI 3.1 document of a table of endpoints, made from the schemas that also check the requests. */
export function createOpenApiDocument(routes: readonly Route[]): JsonSchema {
  const paths: Record<string, JsonSchema> = { ...STREAMS };
  for (const route of routes) {
    const path = `/api/v1${route.path.replaceAll(/:([a-z]+)/g, "{$1}")}`;
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Canopy",
      version: CANOPY_VERSION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { WireError: schemaOf(wireErrorSchema, "output") },
    },
  };
}
