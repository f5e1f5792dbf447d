import { CanopyError, isCanopyError } from "@canopy/protocol";
import { resolveDaemonPaths } from "./home/daemon-paths.ts";
import { startDaemon } from "./start-daemon.ts";

/** The daemon's port when nothing else is said. */
const DEFAULT_PORT = 7770;

function readPort(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): number {
  const flag = args.indexOf("--port");
  const text = flag === -1 ? environment["CANOPY_PORT"] : args[flag + 1];
  if (text === undefined || text === "") return DEFAULT_PORT;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new CanopyError("usage.invalid", `'${text}' is not a port: a whole number from 0 to 65535`);
}

try {
  const daemon = await startDaemon({
    paths: resolveDaemonPaths(process.env),
    port: readPort(process.argv.slice(2), process.env),
    logLevel: process.env["CANOPY_LOG_LEVEL"] ?? "info",
    environment: process.env,
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void daemon.stop());
  await daemon.stopped;
  process.exit(0);
} catch (error) {
  const known = isCanopyError(error);
  const detail = {
    code: known ? error.code : "internal",
    message: error instanceof Error ? error.message : String(error),
    ...(known && error.hint !== undefined ? { hint: error.hint } : {}),
  };
  // The program that started this one reads the line; see ensure-daemon.ts.
  process.stderr.write(`canopy-start-error ${JSON.stringify(detail)}\n`);
  if (!known) console.error(error);
  process.exit(1);
}
