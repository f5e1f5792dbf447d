import { execFile } from "node:child_process";
import { platform } from "node:os";
import { promisify } from "node:util";
import { CanopyError } from "@canopy/protocol";

const execute = promisify(execFile);
const WITHIN_MS = 10_000;

function commandFor(service: string, account: string): readonly [string, ...string[]] {
  return platform() === "darwin"
    ? ["security", "find-generic-password", "-s", service, "-a", account, "-w"]
    : ["secret-tool", "lookup", "service", service, "account", account];
}

/**
 * Reads a secret from the system's keychain: `SERVICE/ACCOUNT`, by `secret-tool` (libsecret) or macOS's `security`. Throws
 * `config.invalid` when it is not there or the program is not; never says what it read.
 */
export async function readKeychain(
  place: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const slash = place.indexOf("/");
  const [program, ...args] = commandFor(place.slice(0, slash), place.slice(slash + 1));
  try {
    const { stdout } = await execute(program, args, { env: { ...environment }, timeout: WITHIN_MS });
    const secret = stdout.replace(/\n$/, "");
    if (secret !== "") return secret;
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new CanopyError("config.invalid", `the keychain gives nothing for ${place}`, {
      hint: isMissing
        ? `install ${program}, or name a variable under env instead`
        : `store it: ${program === "security" ? `security add-generic-password -s SERVICE -a ACCOUNT -w` : `secret-tool store --label=canopy service SERVICE account ACCOUNT`}`,
    });
  }
  throw new CanopyError("config.invalid", `the keychain has nothing for ${place}`);
}
