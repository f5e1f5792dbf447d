import { spawn } from "node:child_process";
import { join } from "node:path";
import { holderEnvironment } from "../namespace-holder.ts";
import { PROXY_PORT, startEgressProxy } from "../sandbox/egress-proxy.ts";
import type { EgressProxy } from "../sandbox/egress-proxy.ts";
import type { ProviderRequest } from "../sandbox/sandbox-provider.ts";
import { createUnavailable } from "../sandbox/sandbox-unavailable.ts";
import { toolPath } from "../tool-paths.ts";

const PROGRAM = join(import.meta.dirname, "../sandbox/container-egress.pl");

/** The egress proxy of a container, and whoever hands it the connections of the container's loopback. */
export interface ContainerEgress extends AsyncDisposable {
  readonly proxy: EgressProxy;
  /** Opens the way out in the network of a running container. Throws `sandbox.unavailable`. */
  connect(firstPid: number): Promise<void>;
}

/**
 * Starts the proxy of a container that has nothing of a network but its own loopback. A program of this machine joins that network and
 * listens there: the image needs nothing for it, nothing of it is in the container, and nobody inside can end it.
 */
export async function startContainerEgress(request: ProviderRequest): Promise<ContainerEgress> {
  const { allow, credentials } = request.settings;
  const folder = join(request.layout.directory, "egress");
  const proxy = await startEgressProxy(folder, { allow, credentials, onRefusal: request.onRefusal });
  let forwarder: ReturnType<typeof spawn> | null = null;
  return {
    proxy,
    async connect(firstPid) {
      const args = [PROGRAM, String(firstPid), String(PROXY_PORT), proxy.socketPath];
      const child = spawn(toolPath("perl"), args, {
        env: holderEnvironment(),
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      forwarder = child;
      let errors = "";
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString("utf8")));
      await new Promise<void>((resolve, reject) => {
        child.stdout.once("data", () => resolve());
        child.once("error", (error) => reject(createUnavailable(error.message)));
        child.once("close", () => {
          const why = errors.trim().split("\n")[0] || "it ended without a word";
          reject(
            createUnavailable(
              `the network of the container cannot be joined to open the allow-list (${why}): run the daemon as who runs the engine, on the same machine, or choose [sandbox] network = "deny" or "allow"`,
            ),
          );
        });
      });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      forwarder?.kill("SIGKILL");
      await proxy[Symbol.asyncDispose]();
    },
  };
}
