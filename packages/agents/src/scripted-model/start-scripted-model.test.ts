import { afterEach, beforeEach, expect, test } from "vitest";
import { createModelScript } from "./model-script.ts";
import { startScriptedModel } from "./start-scripted-model.ts";
import type { ScriptedModel } from "./start-scripted-model.ts";

let model: ScriptedModel;
beforeEach(async () => {
  model = await startScriptedModel();
});
afterEach(() => model.close());

const TOOLS = {
  messages: [{ name: "Write", input_schema: { properties: { file_path: {}, content: {} } } }],
  chat: [{ type: "function", function: { name: "write", parameters: { properties: { filePath: {} } } } }],
  responses: [{ type: "function", name: "exec_command", parameters: { properties: { cmd: {} } } }],
  gemini: [
    {
      functionDeclarations: [{ name: "write_file", parametersJsonSchema: { properties: { file_path: {} } } }],
    },
  ],
};

/** The request of each API for one prompt, and what was answered before. */
function bodies(prompt: string, isStreaming: boolean): [string, object][] {
  const user = { role: "user", content: prompt };
  return [
    ["/v1/messages", { model: "m", stream: isStreaming, tools: TOOLS.messages, messages: [user] }],
    ["/v1/chat/completions", { model: "m", stream: isStreaming, tools: TOOLS.chat, messages: [user] }],
    ["/v1/responses", { model: "m", stream: isStreaming, tools: TOOLS.responses, input: [user] }],
    [
      `/v1beta/models/m:${isStreaming ? "streamGenerateContent?alt=sse" : "generateContent"}`,
      { tools: TOOLS.gemini, contents: [{ role: "user", parts: [{ text: prompt }] }] },
    ],
  ];
}

function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(model.url + path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { authorization: "Bearer sk-secret" },
    ...(signal === undefined ? {} : { signal }),
  });
}

test.each([true, false])(
  "all four APIs answer with the step's text and tool, streaming: %s",
  async (isStreaming) => {
    const prompt = `go ${createModelScript([{ text: "hé🙂llo", tool: "write", args: { path: "a.txt", content: "x" } }])}`;
    for (const [path, body] of bodies(prompt, isStreaming)) {
      const response = await post(path, body);
      const text = await response.text();
      const type = isStreaming ? "text/event-stream" : "application/json";
      expect([path, response.status, response.headers.get("content-type")]).toEqual([path, 200, type]);
      expect(text).toContain("hé🙂llo");
      expect(text).toMatch(/Write|write|exec_command/);
      expect(text).toContain("a.txt");
    }
    expect(model.requests.map(({ api, stepIndex, end }) => [api, stepIndex, end])).toEqual([
      ["anthropic", 0, "finished"],
      ["chat", 0, "finished"],
      ["responses", 0, "finished"],
      ["gemini", 0, "finished"],
    ]);
    expect(JSON.stringify(model.requests)).not.toContain("sk-secret");
  },
);

test("a 429 carries Retry-After, comes as often as it should, and then the script goes on", async () => {
  const error = { status: 429, times: 1, retryAfter: 2, message: "slow down" };
  const prompt = createModelScript([{ error, after: { text: "after" } }]);
  for (const [path, body] of bodies(prompt, false)) {
    // Every API has a script of its own, for the count is kept per script.
    const own = JSON.parse(JSON.stringify(body).replaceAll("slow down", `slow ${path.length}`)) as object;
    const first = await post(path, own);
    expect([first.status, first.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await first.text()).toContain(`slow ${path.length}`);
    expect(await (await post(path, own)).text()).toContain("after");
  }
});

test.each([500, 529, 400, 401])("status %i is answered as asked", async (status) => {
  const [[path, body] = ["", {}]] = bodies(createModelScript([{ error: { status } }]), true);
  expect((await post(path, body)).status).toBe(status);
});

test("a hang is noticed when the client goes, a disconnect breaks the body, garbage is no JSON", async () => {
  const [, [path, body] = ["", {}]] = bodies(createModelScript([{ text: "half", hang: true }]), true);
  const controller = new AbortController();
  const hanging = await post(path, body, controller.signal);
  const reader = hanging.body?.getReader();
  await reader?.read();
  controller.abort();
  await expect.poll(() => model.requests[0]?.end).toBe("aborted-by-client");
  const [, [, cutBody] = ["", {}]] = bodies(
    createModelScript([{ text: "half of it all", disconnect: true }]),
    true,
  );
  await expect((await post(path, cutBody)).text()).rejects.toThrow();
  const [, [, badBody] = ["", {}]] = bodies(createModelScript([{ malformed: true }]), true);
  expect(await (await post(path, badBody)).text()).toContain("data: [1,2\n\n");
});

test("the place in a script is counted from the last directive; calls without tools use up no step", async () => {
  const script = createModelScript([{ text: "one" }, { text: "two" }], "base64");
  const messages = [
    { role: "user", content: createModelScript([{ text: "old" }]) },
    { role: "assistant", content: "old" },
    { role: "user", content: script },
    { role: "assistant", content: "one" },
    { role: "user", content: "go on" },
  ];
  const answer = await post("/v1/messages", { model: "m", tools: TOOLS.messages, messages });
  expect(await answer.json()).toMatchObject({
    content: [{ type: "text", text: "two" }],
    stop_reason: "end_turn",
  });
  const schema = {
    type: "object",
    properties: { model: { enum: ["flash", "pro"] }, n: { type: "integer" } },
  };
  const side = await post("/v1/chat/completions", {
    messages: [{ role: "user", content: script }],
    response_format: { type: "json_schema", json_schema: { schema } },
  });
  expect(await side.json()).toMatchObject({ choices: [{ message: { content: '{"model":"flash","n":0}' } }] });
});

test("a script that is wrong says so in the answer", async () => {
  const [[path, body] = ["", {}]] = bodies("@@SCRIPT [{] @@END", false);
  expect(await (await post(path, body)).text()).toContain("the script is no JSON");
});
