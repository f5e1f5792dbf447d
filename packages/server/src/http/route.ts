import type { Actor, Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol";
import type { z } from "zod";
import { parseBody } from "./parse-body.ts";
import type { ServerPorts } from "../server-ports.ts";

/** What a handler gets: everything parsed. */
export interface RouteCall<B> {
  readonly ports: ServerPorts;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: B;
  readonly actor: Actor;
  /** Idempotency key of the request. */
  readonly key: string;
  /** Aborted when whoever asked has gone. */
  readonly signal: AbortSignal;
}

/** One endpoint: the same table serves requests and writes the OpenAPI document. */
export interface Route {
  readonly method: "get" | "post" | "patch" | "delete";
  /** Below `/api/v1`, parameters as `:name`. */
  readonly path: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /** What a success answers. */
  readonly response: z.ZodType;
  readonly successStatus?: 200 | 201;
  handle(call: RouteCall<unknown>): Promise<unknown>;
}

/** What a typed endpoint is made of. */
export interface RouteDefinition<S extends z.ZodType> extends Omit<Route, "handle" | "body"> {
  readonly body?: S;
  readonly handle: (call: RouteCall<z.infer<S>>) => unknown;
}

/** Makes an endpoint whose body is parsed by its schema; a body that does not fit is `request.invalid`. */
export function route<S extends z.ZodType>(definition: RouteDefinition<S>): Route {
  return {
    ...definition,
    handle: async (call) => {
      if (definition.body === undefined) return await definition.handle({ ...call, body: parseNothing() });
      return await definition.handle({ ...call, body: parseBody(definition.body, call.body, "body") });
    },
  };
}

function parseNothing<T>(): T {
  return undefined as T;
}

/** Reads a whole number from the query. Throws `request.invalid`. */
export function readNumberQuery(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new CanopyError("request.invalid", `${name}: expected a whole number`);
  return value;
}

/** A parameter that the path has. */
export function readParam(call: { readonly params: Readonly<Record<string, string>> }, name: string): string {
  const value = call.params[name];
  if (value === undefined) throw new CanopyError("internal", `the path has no ${name}`);
  return value;
}

/** Typed values as plain JSON. */
export function toJson(value: unknown): Json {
  return value as Json;
}
