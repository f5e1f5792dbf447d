import type { WorkspaceLayout } from "./workspace-layout.ts";

/** Where the certificates are that programs trust: no secrets, and without them nothing can be fetched behind some proxies. */
export const CERTIFICATE_VARIABLES: readonly string[] = [
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
  "GIT_SSL_CAINFO",
];

/** By name, not all that begins with `LC_`: ssh servers let such names through, so people hand secrets over under them. */
const LOCALE_VARIABLES =
  `LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME LC_ADDRESS LC_IDENTIFICATION LC_MEASUREMENT
  LC_NAME LC_PAPER LC_TELEPHONE`.split(/\s+/);
const ALWAYS_INHERITED = new Set([
  "PATH",
  "LANG",
  "TERM",
  "TZ",
  ...LOCALE_VARIABLES,
  ...CERTIFICATE_VARIABLES,
]);

/** What goes into a workspace's environment beside the fixed allow-list. */
export interface EnvironmentRequest {
  /** Names of variables to take over from this process. */
  readonly inherit?: readonly string[];
  /** Variables to set; they win over everything else. */
  readonly set?: Readonly<Record<string, string>>;
}

function isInherited(name: string, request: EnvironmentRequest): boolean {
  return ALWAYS_INHERITED.has(name) || request.inherit?.includes(name) === true;
}

/**
 * The environment of a workspace's processes: PATH, LANG, the locale's LC_ variables, TERM, TZ and the places of certificates of this process and what the caller names,
 * nothing else; private HOME and TMPDIR; `CANOPY_WORKSPACE`, `CANOPY_ATTEMPT`, and with ports `CANOPY_WORKSPACE_PORT` (the first) and
 * `CANOPY_WORKSPACE_PORTS` (all, with commas).
 */
export function createWorkspaceEnvironment(
  layout: WorkspaceLayout,
  ports: readonly number[],
  request: EnvironmentRequest = {},
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && isInherited(name, request)) environment[name] = value;
  }
  environment["HOME"] = layout.homeDirectory;
  for (const name of ["TMPDIR", "TMP", "TEMP"]) environment[name] = layout.tmpDirectory;
  // A bash whose input is a socket, as Node's pipes are, else takes itself for a remote login and runs .bashrc instead of BASH_ENV.
  environment["SHLVL"] = "1";
  environment["CANOPY_WORKSPACE"] = layout.path;
  environment["CANOPY_ATTEMPT"] = layout.workspaceId;
  if (ports[0] !== undefined) {
    environment["CANOPY_WORKSPACE_PORT"] = String(ports[0]);
    environment["CANOPY_WORKSPACE_PORTS"] = ports.join(",");
  }
  return { ...environment, ...request.set };
}

/** The environment at level `none`: all that this process has, its HOME included, beside what is the workspace's own. */
export function openEnvironment(isolated: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  const home = process.env["HOME"];
  return { ...Object.fromEntries(own), ...isolated, ...(home === undefined ? {} : { HOME: home }) };
}
