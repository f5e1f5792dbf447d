import { isCanopyError } from "@canopy/protocol/errors";
import { runCli } from "./run-cli.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader went away (`canopy task list | head`): nothing left to say.
  if (error.code === "EPIPE") process.exit(0);
});

try {
  process.exitCode = await runCli(process.argv.slice(2));
} catch (error) {
  const { reportError } = await import("./report-error.ts");
  process.exitCode = reportError(error, process.argv.includes("--json"));
  if (!isCanopyError(error) && process.env["CANOPY_DEBUG"] === "1") console.error(error);
}
