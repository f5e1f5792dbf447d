import { homedir, userInfo } from "node:os";
import type { Json } from "@canopy/protocol";

/** What must not leave the machine with an export, and what stands in its place. */
export interface Redaction {
  /** Roots of the project's work trees. */
  readonly roots: readonly string[];
  readonly home: string;
  readonly user: string;
}

/** What this machine's exports are freed of. */
export function redactionOf(roots: readonly string[]): Redaction {
  return { roots, home: homedir(), user: userInfo().username };
}

/** Forms of well-known tokens: those of providers and forges, keys in PEM form, and what is called a secret. */
const SECRETS: readonly RegExp[] = [
  /\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_\w{20,}/g,
  /\bglpat-[\w-]{16,}/g,
  /\bxox[abprs]-[\w-]{10,}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[\w-]{30,}/g,
  /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
  /\b(?:password|passwd|secret|token|api[_-]?key)\b["']?\s*[:=]\s*["']?[^\s"',;]{6,}/gi,
];
const EMAIL = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Frees a text of paths of the machine, names of its user, addresses and tokens. */
export function redactText(text: string, { roots, home, user }: Redaction): string {
  let result = text;
  // The longest first: a work tree may lie in another.
  for (const root of roots.toSorted((a, b) => b.length - a.length))
    if (root.length > 1) result = result.replaceAll(root, "<project>");
  if (home.length > 1) result = result.replaceAll(home, "<home>");
  result = result.replaceAll(/\/(?:home|Users)\/[^/\s"']+/g, "<home>");
  for (const secret of SECRETS) result = result.replaceAll(secret, "<secret>");
  result = result.replaceAll(EMAIL, "<email>");
  // A short or common name would take half of the text away.
  return user.length > 2 ? result.replaceAll(new RegExp(`\\b${escape(user)}\\b`, "g"), "<user>") : result;
}

/** Frees every text in a value, names of fields included. */
export function redact(value: Json, redaction: Redaction): Json {
  if (typeof value === "string") return redactText(value, redaction);
  if (Array.isArray(value)) return value.map((item: Json) => redact(item, redaction));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [redactText(key, redaction), redact(item, redaction)]),
  );
}
