import type { WorkspaceLayout } from "../workspace-layout.ts";
import type { WorkspaceView } from "../workspace-view.ts";
import type { Refusal } from "./egress-proxy.ts";
import type { SandboxSettings } from "./sandbox-settings.ts";

/** What a provider makes an enclosure for. The workspace's files are plain folders of this machine, at the layout's paths. */
export interface ProviderRequest {
  readonly layout: WorkspaceLayout;
  /** How its files are seen and how it ends without a provider; the enclosure takes it over. */
  readonly view: WorkspaceView;
  readonly settings: SandboxSettings;
  /** Folders of the daemon's own. */
  readonly state: readonly string[];
  /** Told of what an egress proxy did not let out. */
  readonly onRefusal?: ((refusal: Refusal) => void) | undefined;
}

/** A workspace whose processes run where the provider keeps them. */
export interface ProvidedEnclosure {
  readonly view: WorkspaceView;
  /** What was refused so far, where there is an egress proxy. */
  readonly refusals: readonly Refusal[];
  /** Which limit was hit, such as `memory limit 4 GB`. */
  describeHit(): Promise<string | null>;
}

/** Whether a provider can be had here; if not, why, and what to do. */
export interface ProviderAnswer {
  readonly isAvailable: boolean;
  readonly reason: string | null;
  readonly fix: string | null;
}

/**
 * Somewhere else to run a workspace's processes than in this machine's namespaces: the port of level `container`, and of remote
 * sandboxes. A provider that needs the files elsewhere brings them there in `open` and back before `describeHit` of the end.
 */
export interface SandboxProvider {
  readonly name: string;
  probe(): Promise<ProviderAnswer>;
  /** Throws `sandbox.unavailable` rather than making something weaker, and leaves nothing of the try. */
  open(request: ProviderRequest): Promise<ProvidedEnclosure>;
  /** Removes what a dead owner of a workspace left. */
  removeOf(workspaceId: string): Promise<void>;
}
