export { openWorkspaceStore } from "./open-workspace-store.ts";
export type { WorkspaceStoreOptions } from "./open-workspace-store.ts";
export type { CreateWorkspaceOptions, StaleWorkspace, WorkspaceStore } from "./workspace-store.ts";
export type { Workspace } from "./workspace.ts";
export type { CheckoutCommands, CheckoutSource } from "./layer-store.ts";
export type { GitMonitor } from "./change-monitor.ts";
export type { BringRequest, BroughtPath } from "./bring-along.ts";
export type { EnvironmentRequest } from "./workspace-environment.ts";
export type { WorkspaceProject } from "./workspace-layout.ts";
export { BACKEND_NAMES } from "./workspace-metadata.ts";
export type { BackendName } from "./workspace-metadata.ts";
export { detectBackend } from "./detect-backend.ts";
export type { BackendChoice } from "./detect-backend.ts";
export { PROCESS_SETTINGS } from "./sandbox/sandbox-settings.ts";
export type {
  NetworkPolicy,
  SandboxLevel,
  SandboxLimits,
  SandboxSettings,
} from "./sandbox/sandbox-settings.ts";
export type { Refusal, RefusalRecord } from "./sandbox/egress-proxy.ts";
export { planCredentials } from "./sandbox/proxy-credentials.ts";
export { PROXY_PORT } from "./sandbox/egress-proxy.ts";
export { createSandboxSettings } from "./sandbox/create-sandbox-settings.ts";
export type { SandboxSubject } from "./sandbox/create-sandbox-settings.ts";
export { probeSandbox } from "./sandbox/probe-sandbox.ts";
export type { SandboxFeature, SandboxReport } from "./sandbox/probe-sandbox.ts";
export { identifyProcess } from "./process-table.ts";
export type { ProcessIdentity } from "./process-table.ts";
