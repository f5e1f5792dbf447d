import { isCanopyError } from "@canopy/protocol/errors";
import { runCli } from "./run-cli.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader went away (`canopy task list | head`): nothing left to say.
  if (error.code === "EPIPE") process.exit(0);
});

try {
  process.exitCode = await runCli(process.argv.slice(2));
} catch (error) {
  const isJson = process.argv.includes("--json");
  if (process.argv[2] === "bd")
    process.exitCode = (await import("./bd/print-bd.ts")).reportBdError(error, isJson);
  else process.exitCode = (await import("./report-error.ts")).reportError(error, isJson);
  if (!isCanopyError(error) && process.env["CANOPY_DEBUG"] === "1") console.error(error);
}
