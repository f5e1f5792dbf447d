import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "node:process";
import { CanopyError } from "@canopy/protocol";
import { createBlockList, expandHome, isBlocked, resolveAll } from "../sandbox/block-list.ts";
import { isWithin } from "../sandbox/blocked-paths.ts";
import type { EgressProxy } from "../sandbox/egress-proxy.ts";
import { startEgressProxy } from "../sandbox/egress-proxy.ts";
import type { ProvidedEnclosure, ProviderRequest, SandboxProvider } from "../sandbox/sandbox-provider.ts";
import { createSeatbeltProfile } from "./create-seatbelt-profile.ts";

const PROGRAM = "/usr/bin/sandbox-exec";

async function createProfile(request: ProviderRequest, port: number | null): Promise<string> {
  const { layout, settings, state } = request;
  const list = await createBlockList(settings);
  const expand = (paths: readonly string[]): string[] => paths.map((path) => expandHome(path, list.home));
  const shown = async (paths: readonly string[]): Promise<string[]> => {
    const found = (await resolveAll(expand(paths))).map(({ real }) => real);
    const opened = found.find((path) => state.some((folder) => isWithin(folder, path)));
    if (opened !== undefined)
      throw new CanopyError(
        "config.invalid",
        `[sandbox] may not show ${opened}: Canopy's own state is in it`,
      );
    return found.filter((path) => !isBlocked(list, path));
  };
  const own = [layout.path, layout.homeDirectory, layout.tmpDirectory];
  return createSeatbeltProfile({
    writable: [...(await Promise.all(own.map((path) => realpath(path)))), ...(await shown(settings.caches))],
    readable: await shown(settings.readOnly),
    // The block list names /dev, /proc and /sys for Linux; here devices are listed one by one.
    blocked: [...list.paths, ...state].filter(
      (path) => !/^\/(dev|proc|sys)$/.test(path) && !own.some((each) => isWithin(each, path)),
    ),
    permitted: list.permitted,
    network: port ?? (settings.network === "allow" ? "allow" : "deny"),
  });
}

/**
 * Runs workspaces' processes under macOS's sandbox-exec. Files and network as in the sandbox of Linux; no namespaces: a process sees
 * that others exist, and the loopback is the machine's. Not run on a Mac by its authors: the profile's text is what is tested.
 */
export function createSeatbeltProvider(system: string = platform): SandboxProvider {
  return {
    name: "sandbox-exec",
    probe: () =>
      Promise.resolve(
        system === "darwin"
          ? { isAvailable: true, reason: null, fix: null }
          : { isAvailable: false, reason: `sandbox-exec is a part of macOS, this is ${system}`, fix: null },
      ),
    async open(request): Promise<ProvidedEnclosure> {
      const { layout, settings, view } = request;
      const { allow, credentials } = settings;
      const proxy: EgressProxy | null =
        settings.network === "allowlist"
          ? await startEgressProxy(join(layout.directory, "egress"), {
              allow,
              credentials,
              isOnLoopback: true,
              onRefusal: request.onRefusal,
            })
          : null;
      try {
        const profile = await createProfile(request, proxy?.port ?? null);
        return {
          view: {
            ...view,
            start: (command, cwd, env) =>
              view.start([PROGRAM, "-p", profile, ...command], cwd, { ...proxy?.env, ...env }),
            async [Symbol.asyncDispose](): Promise<void> {
              await view[Symbol.asyncDispose]();
              await proxy?.[Symbol.asyncDispose]();
            },
          },
          refusals: proxy?.refusals ?? [],
          describeHit: () => Promise.resolve(null),
        };
      } catch (error) {
        await proxy?.[Symbol.asyncDispose]();
        throw error;
      }
    },
    removeOf: () => Promise.resolve(),
  };
}
