// canopy-hook where there is no perl: the same in node, several times slower to start. See `canopy-hook` beside it.
"use strict";
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");

const [agent = "", event = "", ...rest] = process.argv.slice(2);
const isGit = agent === "git";
const state = path.dirname(path.dirname(process.argv[1]));
let body = Buffer.alloc(0);

// A session is told once in ten minutes, not at every call.
function isTold() {
  const session = /"(?:session_id|conversation_id)"\s*:\s*"([\w-]{1,80})"/.exec(body.toString())?.[1];
  if (session === undefined) return false;
  const stamp = path.join(state, "hook-notices", `${agent}-${session}`);
  try {
    if (Date.now() - fs.statSync(stamp).mtimeMs < 600_000) return true;
  } catch {
    // Not told yet.
  }
  try {
    const folder = path.dirname(stamp);
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of fs.readdirSync(folder)) {
      const old = path.join(folder, name);
      if (Date.now() - fs.statSync(old).mtimeMs > 86_400_000) fs.rmSync(old, { force: true });
    }
    fs.writeFileSync(stamp, "");
  } catch {
    // Then it is told again.
  }
  return false;
}

function fail(why) {
  const text = `Canopy cannot be reached (${why}): files are not claimed and other agents are not seen until it runs again (canopy up).`;
  if (isGit) finish("", `canopy: ${text}\n`, 0);
  const isShown = /^(?:claude|codex|gemini)$/.test(agent) && event !== "SessionEnd";
  if (isTold()) finish("{}", "", 0);
  if (isShown) finish(`{"systemMessage":"${text}"}`, "", 0);
  finish("{}", `canopy: ${text}\n`, 0);
}

function finish(output, error, code) {
  writeAll(1, output);
  writeAll(2, error);
  process.exit(code);
}

function writeAll(descriptor, content) {
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(descriptor, bytes, at);
    } catch (problem) {
      if (problem.code !== "EAGAIN") return;
    }
  }
}

function gitPayload() {
  const isKept =
    /^(?:GIT_(?:DIR|WORK_TREE|INDEX_FILE|REFLOG_ACTION|PREFIX)|(?:CLAUDE_CODE|GEMINI|CANOPY)_SESSION(?:_ID)?|CODEX_THREAD_ID)$/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => isKept.test(name)));
  return Buffer.from(
    JSON.stringify({ hook: event, args: rest, stdin: body.toString(), cwd: process.cwd(), env }),
  );
}

function takeAnswer(answer) {
  const end = answer.indexOf("\r\n\r\n");
  const head = answer.subarray(0, Math.max(end, 0)).toString("latin1");
  const status = /^HTTP\/1\.\d (\d{3})/.exec(head)?.[1];
  if (status === undefined || end < 0) return fail("it broke off");
  if (!status.startsWith("2")) return fail(`it answered ${status}`);
  const text = answer.subarray(end + 4);
  const length = /^content-length:\s*(\d+)/im.exec(head)?.[1];
  if (length !== undefined && text.length < Number(length)) return fail("it broke off");
  const code = Number(/^canopy-exit:\s*(\d{1,3})/im.exec(head)?.[1] ?? 0);
  return isGit ? finish("", text, code) : finish(text, "", code);
}

function ask() {
  if (isGit) body = gitPayload();
  const head = [
    `POST /hooks/${agent.replace(/[^\w-]/g, "")}?event=${encodeURIComponent(event)} HTTP/1.0`,
    "Host: localhost",
    "Content-Type: application/json",
    `canopy-pid: ${process.env.CLAUDE_PID || process.ppid}`,
    ...(process.env.CANOPY_BYPASS ? ["canopy-bypass: 1"] : []),
    `Content-Length: ${body.length}`,
  ];
  try {
    // From its own folder the socket's path is short, however long the folder's is.
    process.chdir(state);
  } catch {
    return fail("its folder is gone");
  }
  const socket = net.connect("hook.sock");
  const chunks = [];
  let isConnected = false;
  socket.on("connect", () => {
    isConnected = true;
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.write(body);
  });
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {
    if (!isConnected) fail("no daemon is running");
  });
  socket.on("close", () => takeAnswer(Buffer.concat(chunks)));
}

setTimeout(() => fail("it did not answer in time"), isGit ? 5000 : event === "SessionEnd" ? 1000 : 2000);
if (process.stdin.isTTY) ask();
else {
  const chunks = [];
  process.stdin.on("data", (chunk) => chunks.push(chunk));
  process.stdin.on("error", () => fail("its input broke off"));
  process.stdin.on("end", () => {
    body = Buffer.concat(chunks);
    ask();
  });
}
