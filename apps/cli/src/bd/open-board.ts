import { userInfo } from "node:os";
import type { Board, BoardIssue, BoardRequestInput, Json } from "@canopy/protocol";
import { act } from "../connection/coordination-api.ts";
import type { ProjectApi } from "../connection/project-api.ts";
import { openProjectApi, readField } from "../connection/project-api.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Which issues to read. */
export interface BoardRead {
  readonly statuses?: readonly string[];
  readonly ids?: readonly string[];
  /** Only those that can be begun. */
  readonly isReady?: boolean;
  readonly withComments?: boolean;
}

/** The work board of the current folder's repository. */
export interface BoardClient {
  readonly prefix: string;
  read(query?: BoardRead): Promise<readonly BoardIssue[]>;
  /** Carries out a command as whoever runs this program, and answers its result. */
  send(command: BoardRequestInput["command"]): Promise<Record<string, Json>>;
  /** Carries out a command about one issue, and answers its id. */
  change(command: BoardRequestInput["command"]): Promise<string>;
  /** One issue as it now is, with its remarks. */
  get(id: string): Promise<BoardIssue>;
}

/** Makes a prefix of a repository's name. */
export function toPrefix(name: string): string {
  const word = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 40);
  if (word === "") return "bd";
  return /^[a-z]/.test(word) ? word : `bd-${word}`;
}

/** Who acts when nobody says so: what the environment names, else null. */
export function readActor(given: string | undefined, env: Env): string | null {
  const names = [given, env["BD_ACTOR"], env["BEADS_ACTOR"], env["CANOPY_SESSION_ID"]];
  return names.find((name) => name !== undefined && name.trim() !== "")?.trim() ?? null;
}

async function findActor(given: string | undefined): Promise<string> {
  const named = readActor(given, process.env);
  if (named !== null) return named.slice(0, 200);
  try {
    const { session } = await act({ type: "whoami" }, {});
    if (typeof session === "object" && session !== null) return readField<string>(session, "handle");
  } catch {
    // Who has no session here is known by the user's name.
  }
  return userInfo().username;
}

function toQuery({ statuses, ids, isReady, withComments }: BoardRead): string {
  const query = new URLSearchParams();
  if (statuses !== undefined) query.set("status", statuses.join(","));
  for (const id of ids ?? []) query.append("issue", id);
  if (isReady === true) query.set("ready", "true");
  if (withComments === true) query.set("comments", "true");
  return query.size === 0 ? "" : `?${query.toString()}`;
}

async function fixPrefix(api: ProjectApi, actor: string, wanted: string | undefined): Promise<string> {
  const first = (await api.ask("GET", "/board?issues=none")) as Board;
  if (first.prefix !== null && (wanted === undefined || wanted === first.prefix)) return first.prefix;
  const command = { type: "board.init", prefix: wanted ?? toPrefix(api.project.name) };
  return readField<string>(await api.ask("POST", "/board", { actor, command }), "prefix");
}

/** Opens the board; fixes its prefix on first use. Throws what `openProjectApi` throws, `conflict` for another prefix. */
export async function openBoard(given: string | undefined, prefix?: string): Promise<BoardClient> {
  const api = await openProjectApi();
  let actor: string | null = null;
  const fixed = await fixPrefix(api, readActor(given, process.env) ?? userInfo().username, prefix);
  const read = async (query: BoardRead = {}): Promise<readonly BoardIssue[]> =>
    ((await api.ask("GET", `/board${toQuery(query)}`)) as Board).issues;
  const send: BoardClient["send"] = async (command) => {
    actor ??= await findActor(given);
    const body = JSON.parse(JSON.stringify({ actor, command })) as Json;
    return (await api.ask("POST", "/board", body)) as Record<string, Json>;
  };
  return {
    prefix: fixed,
    read,
    send,
    change: async (command) => readField<string>(await send(command), "id"),
    get: async (id) => {
      const [issue] = await read({ ids: [id], withComments: true });
      if (issue === undefined) throw new Error(`broken invariant: no issue ${id} in the answer`);
      return issue;
    },
  };
}
