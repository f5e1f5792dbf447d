// canopy: written by `canopy setup opencode`, removed by `canopy setup opencode --uninstall`.
// Tells Canopy's daemon what the sessions of this OpenCode do, and does what it answers. When the daemon cannot be had everything goes on.
import { existsSync } from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";

const LIMIT_MS = 2000;
const TOLD_EVENTS = new Set([
  "session.created",
  "session.deleted",
  "session.idle",
  "session.compacted",
  "permission.asked",
  "permission.updated",
]);

function socketPath() {
  const home = process.env.CANOPY_HOME;
  const state = process.env.XDG_STATE_HOME || join(homedir(), ".local", "state");
  return join(home ? join(home, "state") : join(state, "canopy"), "hook.sock");
}

function parseAnswer(status, chunks) {
  try {
    return status === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : null;
  } catch {
    return null;
  }
}

/** Asks the daemon. Null when it cannot be had, in time. */
function ask(payload) {
  const body = Buffer.from(JSON.stringify(payload));
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "canopy-pid": String(process.pid),
    ...(process.env.CANOPY_BYPASS ? { "canopy-bypass": "1" } : {}),
  };
  const path = `/hooks/opencode?event=${encodeURIComponent(payload.hook)}`;
  return new Promise((resolve) => {
    const call = request({ socketPath: socketPath(), method: "POST", path, headers });
    const limit = setTimeout(() => call.destroy(new Error("too slow")), LIMIT_MS);
    const settle = (value) => {
      clearTimeout(limit);
      resolve(value);
    };
    call.on("error", () => settle(null));
    call.on("response", (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", () => settle(null));
      answer.on("end", () => settle(parseAnswer(answer.statusCode, chunks)));
    });
    call.end(body);
  });
}

/** Speaks with the daemon for the sessions of one folder, and says once when it is lost. */
function createTeller({ client, directory, worktree }) {
  const parents = new Map();
  let isLost = false;

  async function show(message, variant) {
    try {
      await client.tui.showToast({ body: { title: "Canopy", message, variant } });
    } catch {
      // No terminal is open.
    }
  }

  async function lose() {
    const text = "Canopy cannot be reached: files are not claimed until it runs again (canopy up).";
    if (!isLost) await show(text, "warning");
    isLost = true;
    return {};
  }

  async function tell(hook, sessionID, rest) {
    if (!existsSync(socketPath())) return lose();
    const parentID = parents.get(sessionID);
    const parent = parentID === undefined ? {} : { parentID };
    const reply = await ask({ hook, directory, worktree, ...parent, ...rest });
    if (reply === null) return lose();
    isLost = false;
    if (typeof reply.notice === "string") await show(reply.notice, "info");
    return reply;
  }

  return { parents, tell };
}

/** Sessions that begin, rest and end. */
function createEventHooks(client, { parents, tell }) {
  const known = new Set();

  async function takeEvent(event) {
    const properties = event.properties ?? {};
    const sessionID = properties.sessionID ?? properties.info?.id;
    const parentID = properties.info?.parentID;
    if (event.type === "session.created" && parentID) parents.set(sessionID, parentID);
    if (sessionID === undefined || !TOLD_EVENTS.has(event.type)) return;
    known.add(sessionID);
    const reply = await tell("event", sessionID, { event: { type: event.type, properties: { sessionID } } });
    if (event.type === "session.deleted") known.delete(sessionID);
    if (event.type !== "session.idle" || typeof reply.keepWorking !== "string" || parents.has(sessionID))
      return;
    const parts = [{ type: "text", text: reply.keepWorking, synthetic: true }];
    await client.session.promptAsync({ path: { id: sessionID }, body: { parts } });
  }

  return {
    event: async ({ event }) => {
      try {
        await takeEvent(event);
      } catch {
        // What Canopy makes of an event is no concern of the session.
      }
    },
    "experimental.session.compacting": async ({ sessionID }) => {
      await tell("experimental.session.compacting", sessionID, { input: { sessionID } });
    },
    dispose: async () => {
      for (const sessionID of known)
        if (!parents.has(sessionID)) await tell("session.disposed", sessionID, { input: { sessionID } });
    },
  };
}

/** Prompts and tools. */
function createWorkHooks({ tell }) {
  return {
    "chat.message": async ({ sessionID, agent, model }, output) => {
      const parts = output.parts.filter((part) => part.type === "text" && !part.synthetic);
      const text = parts.map((part) => part.text).join("\n");
      const reply = await tell("chat.message", sessionID, { input: { sessionID, agent, model }, text });
      const last = parts.at(-1);
      if (typeof reply.context === "string" && last !== undefined) last.text += `\n\n${reply.context}`;
    },
    "tool.execute.before": async (input, output) => {
      const { args } = output;
      const reply = await tell("tool.execute.before", input.sessionID, { input, output: { args } });
      if (typeof reply.deny === "string") throw new Error(reply.deny);
    },
    "tool.execute.after": async (input, output) => {
      const metadata = { exit: output.metadata?.exit };
      const reply = await tell("tool.execute.after", input.sessionID, { input, output: { metadata } });
      if (typeof reply.context === "string" && typeof output.output === "string")
        output.output += `\n\n${reply.context}`;
    },
  };
}

export const Canopy = async (context) => {
  const teller = createTeller(context);
  return { ...createEventHooks(context.client, teller), ...createWorkHooks(teller) };
};
