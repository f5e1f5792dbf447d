import path from "node:path";
import type { ToolCall } from "@canopy/protocol";
import type { PermissionPolicy, PermissionRule } from "../agent-driver.ts";

/** What a policy says to a request, and in whose name. */
export interface PermissionDecision {
  readonly decision: "allow" | "deny" | "ask";
  readonly by: string;
}

function toPattern(glob: string): RegExp {
  const escaped = glob.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", "[^]*");
  return new RegExp(`^${escaped}$`);
}

function commandOf(tool: ToolCall): string | null {
  const { input } = tool;
  if (typeof input !== "object" || input === null) return null;
  const command: unknown = Reflect.get(input, "command") ?? Reflect.get(input, "cmd");
  return typeof command === "string" ? command : null;
}

function isInside(cwd: string, location: string): boolean {
  const relative = path.relative(cwd, path.resolve(cwd, location));
  return relative === "" || (relative !== ".." && !relative.startsWith("../"));
}

function fits(rule: PermissionRule, tool: ToolCall, cwd: string): boolean {
  if (rule.kinds !== undefined && !rule.kinds.includes(tool.kind)) return false;
  if (rule.title !== undefined) {
    const pattern = toPattern(rule.title);
    const texts = [tool.title, commandOf(tool)].filter((text) => text !== null);
    if (!texts.some((text) => pattern.test(text))) return false;
  }
  if (rule.where === undefined) return true;
  // A tool that names no place may touch any: it counts as outside, never as inside.
  const isAllInside =
    tool.locations.length > 0 && tool.locations.every((location) => isInside(cwd, location.path));
  return rule.where === "inside" ? isAllInside : !isAllInside;
}

/** What a policy says to a tool call. The first rule that fits decides; symbolic links are not followed. */
export function decidePermission(policy: PermissionPolicy, tool: ToolCall, cwd: string): PermissionDecision {
  if (policy === "allow-all") return { decision: "allow", by: "policy:allow-all" };
  if (policy === "deny-all") return { decision: "deny", by: "policy:deny-all" };
  if (policy === "ask") return { decision: "ask", by: "policy:ask" };
  const index = policy.rules.findIndex((rule) => fits(rule, tool, cwd));
  const rule = policy.rules[index];
  if (rule === undefined) return { decision: policy.otherwise, by: "policy:otherwise" };
  return { decision: rule.decision, by: `policy:rule-${index + 1}` };
}
