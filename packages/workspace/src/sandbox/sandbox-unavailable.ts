import { CanopyError } from "@canopy/protocol";

/** An error that says what could not be had and how to go on. */
export function createUnavailable(reason: string): CanopyError {
  return new CanopyError("sandbox.unavailable", `the sandbox cannot be made here: ${reason}`, {
    hint: 'See canopy doctor sandbox; or choose [sandbox] level = "process" in .canopy/config.toml, which isolates work but keeps no secrets.',
    data: { reason },
  });
}
