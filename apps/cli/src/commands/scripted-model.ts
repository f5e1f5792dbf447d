import { once } from "node:events";
import type { LoggedRequest } from "@canopy/agents";
import { printJson, printNote, printText } from "../output/print.ts";
import { parseWhole } from "../parse-arguments.ts";
import type { RegisterCommands } from "../run-cli.ts";

interface ScriptedModelCommandOptions {
  readonly port: number;
  readonly json?: boolean;
}

async function introduce(url: string): Promise<void> {
  const { createModelScript } = await import("@canopy/agents");
  const script = createModelScript([
    { tool: "write", args: { path: "hello.txt", content: "hello\n" } },
    { text: "done" },
  ]);
  printText(
    [
      `scripted model at ${url} (Anthropic Messages, OpenAI chat completions and Responses, Gemini); Ctrl-C ends it`,
      "",
      "Any key will do. Point an agent at it:",
      `  Claude Code  ANTHROPIC_BASE_URL=${url} ANTHROPIC_API_KEY=sk-local`,
      `  Gemini       GOOGLE_GEMINI_BASE_URL=${url} GEMINI_API_KEY=sk-local`,
      `  Codex, OpenCode: a provider with the base URL ${url}/v1`,
      "",
      "What it does stands in the prompt:",
      `  ${script}`,
    ].join("\n"),
  );
}

async function runScriptedModel(options: ScriptedModelCommandOptions): Promise<void> {
  const onRequest = ({ method, path, stepIndex, status }: LoggedRequest): void => {
    const tell = options.json === true ? printNote : printText;
    tell(`${status} ${method} ${path}${stepIndex === null ? "" : ` step ${stepIndex + 1}`}`);
  };
  const { startScriptedModel } = await import("@canopy/agents");
  const model = await startScriptedModel({ port: options.port, onRequest });
  if (options.json === true) printJson({ url: model.url });
  else await introduce(model.url);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await model.close();
}

/** `canopy scripted-model`. */
export const registerScriptedModel: RegisterCommands = (program) => {
  program
    .command("scripted-model")
    .description("serve a model that plays the script in the prompt, to see an agent work without a key")
    .option("--port <port>", "the port on 127.0.0.1; 0 takes any free one", parseWhole(0, 65_535), 0)
    .option("--json", "print the address as JSON, and the requests on standard error")
    .addHelpText("after", "\nExample:\n  canopy scripted-model --port 8901")
    .action(runScriptedModel);
};
