import type { AgentErrorKind } from "@canopy/protocol";

/** What an agent told about a failure: a JSON-RPC code or HTTP status, a message, and whatever came with it. */
export interface AgentFailure {
  readonly code: number | null;
  readonly message: string;
  readonly data: unknown;
}

/** The class of a failure and how long the other side asked to wait. */
export interface ClassifiedFailure {
  readonly kind: AgentErrorKind;
  readonly retryAfterMs: number | null;
}

const MAX_SEARCH_DEPTH = 5;
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

/** Machine-readable error names of the model providers and agents, lower-cased, without separators. */
const KIND_BY_NAME: Readonly<Record<string, AgentErrorKind>> = {
  ratelimit: "rate-limit",
  ratelimiterror: "rate-limit",
  ratelimited: "rate-limit",
  ratelimitexceeded: "rate-limit",
  resourceexhausted: "rate-limit",
  toomanyrequests: "rate-limit",
  usagelimitexceeded: "rate-limit",
  overload: "overload",
  overloaded: "overload",
  overloadederror: "overload",
  servererror: "overload",
  serveroverloaded: "overload",
  internalservererror: "overload",
  unavailable: "overload",
  authentication: "authentication",
  authenticationerror: "authentication",
  authenticationfailed: "authentication",
  authenticationrequired: "authentication",
  invalidapikey: "authentication",
  permissionerror: "authentication",
  permissiondenied: "authentication",
  unauthenticated: "authentication",
  unauthorized: "authentication",
  providerautherror: "authentication",
  billingerror: "authentication",
  insufficientquota: "authentication",
  invalidrequesterror: "bad-request",
  invalidrequest: "bad-request",
  invalidargument: "bad-request",
  badrequest: "bad-request",
  contextfull: "context-full",
  contextlengthexceeded: "context-full",
  contextwindowexceeded: "context-full",
  contextoverflowerror: "context-full",
  requesttoolarge: "context-full",
  promptistoolong: "context-full",
  refusal: "refusal",
  contentfilter: "refusal",
  cyberpolicy: "refusal",
  misalignmentpolicyviolation: "refusal",
  timeout: "timeout",
  timeouterror: "timeout",
  deadlineexceeded: "timeout",
};

function kindByStatus(status: number): AgentErrorKind | null {
  if (status === 401 || status === 402 || status === 403) return "authentication";
  if (status === 408) return "timeout";
  if (status === 413) return "context-full";
  if (status === 429) return "rate-limit";
  if (status >= 500 && status <= 599) return "overload";
  if (status >= 400 && status <= 499) return "bad-request";
  return null;
}

function kindByRpcCode(code: number): AgentErrorKind | null {
  if (code === -32000) return "authentication";
  if (code === -32800) return "cancelled";
  if (code === -32700 || (code >= -32602 && code <= -32600)) return "protocol";
  return null;
}

interface Evidence {
  readonly names: string[];
  readonly statuses: number[];
  retryAfterMs: number | null;
}

function noteField(evidence: Evidence, key: string, value: string | number): void {
  const name = key.toLowerCase().replaceAll(/[^a-z]/g, "");
  const number = typeof value === "number" ? value : Number.parseFloat(value);
  if (name === "retryafterms" && number >= 0) evidence.retryAfterMs = number;
  else if ((name === "retryafter" || name === "retrydelay") && number >= 0)
    evidence.retryAfterMs = number * 1000;
  else if (
    (name.endsWith("status") || name.endsWith("statuscode") || name === "code") &&
    number >= 400 &&
    number < 600
  ) {
    evidence.statuses.push(Math.trunc(number));
  }
  if (typeof value === "string" && value.length < 100) {
    evidence.names.push(value.toLowerCase().replaceAll(/[^a-z]/g, ""));
  }
}

function collect(evidence: Evidence, value: unknown, depth: number): void {
  if (depth > MAX_SEARCH_DEPTH || typeof value !== "object" || value === null) return;
  for (const [key, field] of Object.entries(value).slice(0, 100)) {
    if (typeof field === "string" || typeof field === "number") noteField(evidence, key, field);
    else collect(evidence, field, depth + 1);
  }
}

function parseJsonIn(text: string): unknown {
  const start = text.indexOf("{");
  const end = text.lastIndexOf("}");
  if (start === -1 || end <= start || end - start > 100_000) return null;
  try {
    return JSON.parse(text.slice(start, end + 1));
  } catch {
    return null;
  }
}

function retryAfterInText(text: string): number | null {
  const match =
    /(?:retry[- ]?after|try again in)\D{0,3}(\d+(?:\.\d+)?)\s*(ms|m(?![a-z])|minutes?|s|seconds?)?/i.exec(
      text,
    );
  if (match === null) return null;
  const unit = match[2]?.toLowerCase() ?? "s";
  const factor = unit === "ms" ? 1 : unit.startsWith("m") ? 60_000 : 1000;
  return Number(match[1]) * factor;
}

/** In the words of OpenAI's API, which codex hands on without their code. */
const REFUSED_IN_TEXT = /reason: content_filter|flagged as potentially violating/i;

/** Only for agents that hand an API error on as plain text: the status they print, then a few fixed phrases. */
function kindInText(text: string): AgentErrorKind | null {
  const status = /(?:API Error|status(?: code)?|HTTP(?:\/[\d.]+)?|error)[\s:=(]*([45]\d\d)\b/i.exec(text);
  const isContext = /context (?:length|window)|prompt is too long|maximum context/i.test(text);
  if (isContext) return "context-full";
  if (REFUSED_IN_TEXT.test(text)) return "refusal";
  if (status !== null) return kindByStatus(Number(status[1]));
  if (/rate.?limit|too many requests|usage limit/i.test(text)) return "rate-limit";
  if (/overloaded|temporarily unavailable/i.test(text)) return "overload";
  if (/invalid api key|not logged in|authentication/i.test(text)) return "authentication";
  return null;
}

function pickKind(failure: AgentFailure, evidence: Evidence): AgentErrorKind {
  for (const name of evidence.names) {
    const kind = KIND_BY_NAME[name];
    if (kind !== undefined && kind !== "bad-request") return kind;
  }
  for (const status of evidence.statuses) {
    const kind = kindByStatus(status);
    if (kind !== null && kind !== "bad-request") return kind;
  }
  const isBadRequest =
    evidence.statuses.length > 0 || evidence.names.some((name) => KIND_BY_NAME[name] === "bad-request");
  const rpcKind = failure.code === null ? null : kindByRpcCode(failure.code);
  const fallback = isBadRequest ? "bad-request" : "unknown";
  return rpcKind ?? kindInText(failure.message) ?? fallback;
}

/**
 * Tells apart why an agent failed. Agents report API errors in three ways (fields of the error's data, JSON inside the
 * message, plain text), so machine-readable names and status numbers are looked for first and the text last.
 */
export function classifyFailure(failure: AgentFailure): ClassifiedFailure {
  const evidence: Evidence = { names: [], statuses: [], retryAfterMs: null };
  collect(evidence, failure.data, 0);
  collect(evidence, parseJsonIn(failure.message), 0);
  if (failure.code !== null && failure.code >= 400 && failure.code < 600)
    evidence.statuses.push(failure.code);
  const waitMs = evidence.retryAfterMs ?? retryAfterInText(failure.message);
  return {
    kind: pickKind(failure, evidence),
    retryAfterMs: waitMs === null ? null : Math.min(Math.round(waitMs), MAX_RETRY_AFTER_MS),
  };
}
