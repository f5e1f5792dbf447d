import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RegisterCommands } from "../run-cli.ts";
import { openProjectApi } from "../connection/project-api.ts";
import { printJson, printText } from "../output/print.ts";

const TEMPLATE = `# Canopy's configuration for this repository. Every key may be left out; the values shown are the defaults.
# Unknown keys are errors. All keys: docs/configuration.md in Canopy's repository.

[run]
# concurrency = 4
# agent = "claude"             # a name below, a built-in one, or "command:..." / "acp:..."
# max_retries = 3              # 0 means no retries
# timeout = "30m"              # longest one attempt may take

[rules]
# exclude_types = ["epic"]
# exclude_labels = ["needs-*"] # tasks that wait for a person
# max_concurrent_per_label = { database = 1 }

[workspace]
# bring = [".env", "node_modules"]   # ignored files that agents need, taken from your checkout
# setup = "npm ci"                   # runs in every new workspace before the agent
# env = []                           # names of environment variables that agents may see
# ports = 10                         # free ports set aside per workspace: CANOPY_WORKSPACE_PORT, CANOPY_WORKSPACE_PORTS

[commits]
# author = "person"            # or "agent"
# co_author = true

# [agents.mine]
# driver = "command"           # or "acp"
# command = "./tools/my-agent.sh"
# env = ["MY_AGENT_KEY"]
`;

/** `canopy init`. */
export const registerInit: RegisterCommands = (program) => {
  program
    .command("init")
    .description(
      "register this repository and write a commented .canopy/config.toml; an existing one stays as it is",
    )
    .option("--json", "print what was done as JSON")
    .addHelpText("after", "\nExample:\n  canopy init")
    .action(async (options: { json?: boolean }) => {
      const { project } = await openProjectApi();
      const file = join(project.path, ".canopy", "config.toml");
      const isNew = !existsSync(file);
      if (isNew) {
        await mkdir(join(project.path, ".canopy"), { recursive: true });
        await writeFile(file, TEMPLATE, { flag: "wx" });
      }
      if (options.json === true) {
        printJson({ project, config: file, created: isNew });
        return;
      }
      printText(`${project.name} is registered as ${project.projectId}`);
      printText(isNew ? `wrote ${file}` : `${file} was there already`);
      printText('next: canopy task add "..." and canopy run');
    });
};
