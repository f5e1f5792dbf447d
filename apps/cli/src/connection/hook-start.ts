import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/canopy", import.meta.url));

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The script with which a hook starts the daemon again as it was started last: the same home, the same port. */
export function createHookStart(
  env: Readonly<Record<string, string | undefined>>,
  port: number | undefined,
): string {
  const home = env["CANOPY_HOME"];
  const words = [
    ...(home === undefined ? [] : [`CANOPY_HOME=${quote(home)}`]),
    "exec",
    quote(LAUNCHER),
    "up",
    ...(port === undefined ? [] : ["--port", String(port)]),
  ];
  // Variables before `exec` would be its own, not the program's.
  const [first = "", ...rest] = words;
  const line = home === undefined ? words.join(" ") : `export ${first}\n${rest.join(" ")}`;
  return `#!/bin/sh\n# Written by canopy: the hook of a session that begins starts the daemon with it, unless a person has stopped it.\n${line}\n`;
}

/** Lets hooks start the daemon from now on, as it runs now. */
export function writeHookStart(folder: string, port: number | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "start");
  const configured = process.env["CANOPY_PORT"];
  const known = port ?? (configured === undefined ? undefined : Number(configured));
  writeFileSync(`${path}.${process.pid}.tmp`, createHookStart(process.env, known), { mode: 0o700 });
  renameSync(`${path}.${process.pid}.tmp`, path);
  rmSync(join(folder, "stay-down"), { force: true });
}

/** A person stops the daemon: hooks leave it so, until it is started again. */
export function keepHooksFromStarting(folder: string): void {
  if (existsSync(folder)) writeFileSync(join(folder, "stay-down"), "", { mode: 0o600 });
}
