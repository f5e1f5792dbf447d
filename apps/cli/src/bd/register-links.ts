import type { Json } from "@canopy/protocol";
import { CanopyError } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { Option } from "commander";
import { readFile } from "node:fs/promises";
import { formatComments, formatIssueLine, showWord } from "./format-issues.ts";
import { sanitizeLine } from "../output/format.ts";
import { parseWhole } from "../parse-arguments.ts";
import { readStandardInput } from "../read-standard-input.ts";
import type { BdCall } from "./bd-command.ts";
import { addBdCommand, listArguments, onCall } from "./bd-command.ts";
import { readMember } from "./filter-issues.ts";
import type { TreeNode } from "./relate-issues.ts";
import { buildTree, findRings, relateIssue, treeNodeToJson } from "./relate-issues.ts";

interface AddOptions {
  readonly type: string;
  readonly blockedBy?: string;
  readonly dependsOn?: string;
}

function registerAddRemove(dep: Command, setExit: (code: number) => void): void {
  const add = addBdCommand(
    dep,
    "add <issue> [on]",
    "have an issue wait for another one",
    "dep add web-12 web-7",
  )
    .option(
      "-t, --type <type>",
      "blocks, parent-child, related, discovered-from, or a word of your own",
      "blocks",
    )
    .option("--blocked-by <issue>", "the one to wait for, instead of the argument")
    .option("--depends-on <issue>", "the same");
  onCall<AddOptions>(add, setExit, async (call) => {
    const [issue = "", given] = listArguments(call);
    const on = given ?? call.options.blockedBy ?? call.options.dependsOn;
    if (on === undefined) throw new CanopyError("usage.invalid", "the issue to wait for is missing");
    const board = await call.board();
    const id = await board.change({ type: "issue.link", issue, on, linkType: call.options.type });
    const target = on.startsWith("external:") ? on : readMember(await board.get(on), "id");
    const answer = { status: "added", issue_id: id, depends_on_id: target, type: call.options.type };
    call.show(answer, () => `✓ Added dependency: ${id} depends on ${target} (${call.options.type})`);
  });
  const remove = addBdCommand(
    dep,
    "remove <issue> <on>",
    "take a link away",
    "dep remove web-12 web-7",
  ).alias("rm");
  onCall<object>(remove, setExit, async (call) => {
    const [issue = "", on = ""] = listArguments(call);
    const id = await (await call.board()).change({ type: "issue.unlink", issue, on });
    const answer = { status: "removed", issue_id: id, depends_on_id: on };
    call.show(answer, () => `✓ Removed dependency: ${id} no longer depends on ${on}`);
  });
}

function isDirection(text: string): text is "down" | "up" {
  return text === "down" || text === "up";
}

function directionOption(flags: string, choices: readonly string[]): Option {
  return new Option(flags, "down: what it waits for; up: what waits for it")
    .choices([...choices])
    .default("down");
}

function formatTree(nodes: readonly TreeNode[]): string {
  return nodes
    .map((node) => {
      const line = node.issue === null ? `${node.id} (elsewhere)` : formatIssueLine(node.issue);
      const kind =
        node.linkType === null || node.linkType === "blocks" ? "" : ` (${sanitizeLine(node.linkType)})`;
      return `${"  ".repeat(node.depth)}${line}${kind}${node.isCut ? " …" : ""}`;
    })
    .join("\n");
}

function registerList(dep: Command, setExit: (code: number) => void): void {
  const list = addBdCommand(dep, "list <issue>", "list what an issue is linked to", "dep list web-12 --json")
    .addOption(directionOption("--direction <direction>", ["down", "up"]))
    .option("-t, --type <type>", "only links of this kind");
  onCall<{ direction: string; type?: string }>(list, setExit, async (call) => {
    const board = await call.board();
    const { dependencies, dependents } = relateIssue(
      await board.get(listArguments(call)[0] ?? ""),
      await board.read(),
    );
    const { type, direction } = call.options;
    const related = (direction === "up" ? dependents : dependencies).filter(
      (each) => type === undefined || each["dependency_type"] === type,
    );
    call.show(related, () =>
      related.length === 0
        ? "no dependencies"
        : related
            .map(
              (each) =>
                `${showWord(each["id"])} (${showWord(each["dependency_type"])}, ${showWord(each["status"])}): ${showWord(each["title"])}`,
            )
            .join("\n"),
    );
  });
}

function registerTree(dep: Command, setExit: (code: number) => void): void {
  const tree = addBdCommand(
    dep,
    "tree <issue>",
    "show the tree of what an issue waits for",
    "dep tree web-12",
  )
    .addOption(directionOption("--direction <direction>", ["down", "up", "both"]))
    .option("-d, --max-depth <depth>", "no deeper than this", parseWhole(1, 1000), 50)
    .addOption(new Option("--reverse").hideHelp());
  onCall<{ direction: string; maxDepth: number; reverse?: boolean }>(tree, setExit, async (call) => {
    const board = await call.board();
    const root = readMember(await board.get(listArguments(call)[0] ?? ""), "id");
    const all = await board.read();
    const wanted = call.options.reverse === true ? "up" : call.options.direction;
    const directions = isDirection(wanted) ? [wanted] : (["up", "down"] as const);
    const trees = directions.map((direction) => buildTree(all, root, direction, call.options.maxDepth));
    call.show(
      trees.flat().map((node) => treeNodeToJson(node)),
      () => trees.map((nodes) => formatTree(nodes)).join("\n\n"),
    );
  });
  const cycles = addBdCommand(dep, "cycles", "find issues that wait for one another", "dep cycles");
  onCall<object>(cycles, setExit, async (call) => {
    const all = await (await call.board()).read();
    const byId = new Map(all.map((issue) => [readMember(issue, "id"), issue]));
    const rings = findRings(all);
    call.show(
      rings.map((ring) => ring.map((id) => byId.get(id)?.record ?? { id })),
      () =>
        rings.length === 0
          ? "✓ No dependency cycles"
          : rings.map((ring) => [...ring, ring[0] ?? ""].join(" -> ")).join("\n"),
    );
  });
}

function showComments(call: BdCall<object>, comments: Json | undefined): void {
  call.show(comments ?? [], () => formatComments(comments).join("\n") || "no comments");
}

interface CommentOptions {
  readonly file?: string;
}

async function addComment(call: BdCall<CommentOptions>): Promise<void> {
  const [issue = "", ...words] = listArguments(call);
  const { file } = call.options;
  const given =
    file === undefined
      ? words.join(" ")
      : file === "-"
        ? await readStandardInput()
        : await readFile(file, "utf8");
  const text = given === "-" ? await readStandardInput() : given;
  if (text.trim() === "") throw new CanopyError("usage.invalid", "the comment is missing");
  const board = await call.board();
  const id = await board.change({ type: "issue.comment", issue, text });
  const { comments = [] } = (await board.get(id)).record;
  const isAdded = (comment: Json): boolean => (comment as Record<string, Json>)["text"] === text;
  const added = Array.isArray(comments) ? comments.findLast(isAdded) : undefined;
  call.show(added ?? {}, () => `✓ Comment added to ${id}`);
}

function registerComments(bd: Command, setExit: (code: number) => void): void {
  const comments = addBdCommand(
    bd,
    "comments [issue]",
    "list the comments of an issue",
    "comments web-12 --json",
  );
  onCall<object>(comments, setExit, async (call) => {
    const [issue] = listArguments(call);
    if (issue === undefined)
      throw new CanopyError("usage.invalid", "the issue is missing", { hint: "bd comments ID" });
    showComments(call, (await (await call.board()).get(issue)).record["comments"]);
  });
  const add = addBdCommand(
    comments,
    "add <issue> [text...]",
    "add a comment; - reads standard input",
    'comments add web-12 "mind the time zones"',
  ).option("-f, --file <file>", "read it from a file; - is standard input");
  onCall<CommentOptions>(add, setExit, addComment);
  const list = addBdCommand(
    comments,
    "list <issue>",
    "list the comments of an issue",
    "comments list web-12",
  );
  onCall<object>(list, setExit, async (call) => {
    showComments(call, (await (await call.board()).get(listArguments(call)[0] ?? "")).record["comments"]);
  });
  const comment = addBdCommand(
    bd,
    "comment <issue> [text...]",
    "add a comment; - reads standard input",
    'comment web-12 "mind the time zones"',
  ).option("-f, --file <file>", "read it from a file; - is standard input");
  onCall<CommentOptions>(comment, setExit, addComment);
}

/** `bd dep`, `comments`, `comment`. */
export function registerLinks(bd: Command, setExit: (code: number) => void): void {
  const dep = addBdCommand(bd, "dep", "what issues wait for", "dep add web-12 web-7");
  registerAddRemove(dep, setExit);
  registerList(dep, setExit);
  registerTree(dep, setExit);
  registerComments(bd, setExit);
}
