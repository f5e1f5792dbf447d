import { createServer } from "node:net";
import { CanopyError } from "@canopy/protocol";

/** Ports that are this process's to hand out. Below the range from which systems take ports for outgoing connections. */
const FIRST_PORT = 20_000;
const LAST_PORT = 29_999;

const taken = new Set<number>();

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

async function isFreeBlock(ports: readonly number[]): Promise<boolean> {
  if (ports.some((port) => taken.has(port))) return false;
  // Held while asking, so that two searches at once cannot both find it.
  for (const port of ports) taken.add(port);
  const answers = await Promise.all(ports.map(canBind));
  if (answers.every(Boolean)) return true;
  for (const port of ports) taken.delete(port);
  return false;
}

/** A run of neighbouring ports that were free on 127.0.0.1. Disposing gives them back. */
export interface PortBlock extends Disposable {
  readonly ports: readonly number[];
}

/**
 * Takes a block of neighbouring ports that nothing listens on and that this process has not handed out. Searches from a
 * place that depends on the process, so that two daemons rarely meet. Throws `workspace.failed` when there is none.
 */
export async function takePortBlock(count: number): Promise<PortBlock> {
  if (count === 0) return { ports: [], [Symbol.dispose]: () => undefined };
  const span = LAST_PORT - FIRST_PORT + 1;
  const start = (process.pid * 97) % span;
  for (let offset = 0; offset < span; offset += count) {
    const first = FIRST_PORT + ((start + offset) % span);
    const ports = Array.from({ length: count }, (_value, index) => first + index);
    if (first + count - 1 > LAST_PORT || !(await isFreeBlock(ports))) continue;
    return {
      ports,
      [Symbol.dispose](): void {
        for (const port of ports) taken.delete(port);
      },
    };
  }
  throw new CanopyError(
    "workspace.failed",
    `no ${count} free neighbouring ports from ${FIRST_PORT} to ${LAST_PORT}`,
  );
}
