export type {
  AgentCapabilities,
  AgentDescription,
  AgentDriver,
  AgentMcpServer,
  AgentModel,
  AgentModels,
  AgentPrepareSpec,
  AgentProbeSpec,
  AgentSession,
  AgentStartSpec,
  AgentTask,
  CapabilityLevel,
  PermissionPolicy,
  PermissionRule,
  PermissionRules,
  PreparedAgent,
  PromptImage,
  ProbeResult,
  TurnError,
  TurnResult,
} from "./agent-driver.ts";
export { createAcpDriver } from "./acp/acp-driver.ts";
export type { AcpDriverOptions } from "./acp/acp-driver.ts";
export type { AcpAuthentication } from "./acp/acp-handshake.ts";
export type { SessionGraces } from "./session/process-session.ts";
export { openAcpWire } from "./acp/acp-wire.ts";
export type { AcpWireListener } from "./acp/acp-wire.ts";
export { mapSessionUpdate } from "./acp/map-update.ts";
export type { UpdateEffects } from "./acp/map-update.ts";
export { BUILTIN_AGENTS } from "./builtin-agents.ts";
export type { BuiltinAgent } from "./builtin-agents.ts";
export { createClaudeDriver } from "./claude/claude-driver.ts";
export type { ClaudeDriverOptions } from "./claude/claude-driver.ts";
export { createCodexDriver } from "./codex/codex-driver.ts";
export type { CodexDriverOptions } from "./codex/codex-driver.ts";
export { createOpenCodeDriver } from "./opencode/opencode-driver.ts";
export type { OpenCodeDriverOptions } from "./opencode/opencode-driver.ts";
export { classifyFailure } from "./classify-error.ts";
export type { AgentFailure, ClassifiedFailure } from "./classify-error.ts";
export { createCommandDriver } from "./command/command-driver.ts";
export type { CommandDriverOptions } from "./command/command-driver.ts";
export { EventQueue } from "./event-queue.ts";
export { EventWriter } from "./event-writer.ts";
export type { ToolPatch } from "./event-writer.ts";
export {
  CAPABILITY_TEXTS,
  capabilitiesAt,
  capabilityWord,
  describeCapability,
} from "./describe-capability.ts";
export type { CapabilityText, CapabilityWord } from "./describe-capability.ts";
export { judgeModel, nearestModels } from "./judge-model.ts";
export type { ModelVerdict } from "./judge-model.ts";
export { LOGIN_FILES, findLogin, locateLogin, readLogin } from "./agent-logins.ts";
export type { LoginCopy, LoginFile } from "./agent-logins.ts";
export { resolveAgent } from "./resolve-agent.ts";
export type { AgentDefinition, AgentDefinitions, ResolvedAgent } from "./resolve-agent.ts";
export {
  SCRIPTED_AGENT_FILE,
  createScriptedCommand,
  createScriptedDriver,
} from "./scripted/scripted-driver.ts";
export type { ScriptedDriverOptions } from "./scripted/scripted-driver.ts";
export { parseScript } from "./scripted/script-schema.ts";
export type { PermissionStep, Script, ScriptStep, StepType, StepValue } from "./scripted/script-schema.ts";
export { createModelScript } from "./scripted-model/model-script.ts";
export type { ModelStep } from "./scripted-model/model-script.ts";
export { startScriptedModel } from "./scripted-model/start-scripted-model.ts";
export type {
  LoggedRequest,
  RequestEnd,
  ScriptedModel,
  ScriptedModelOptions,
} from "./scripted-model/start-scripted-model.ts";
export { TOOL_BRIDGE_PROGRAM, createToolBridge } from "./tool-bridge/create-tool-bridge.ts";
export type { ToolSocket } from "./tool-bridge/create-tool-bridge.ts";
export { decidePermission } from "./session/decide-permission.ts";
export type { PermissionDecision } from "./session/decide-permission.ts";
export { createTranscriptSeed, startResumed } from "./session/start-resumed.ts";
export type { TranscriptLine } from "./session/start-resumed.ts";
export { spawnLocal } from "./session/spawn-local.ts";
export { createTaskEnvironment } from "./task-environment.ts";
export { judgeBudgets } from "./limits/judge-budget.ts";
export type { Budget, BudgetAction, BudgetBreach, BudgetLimits, Spending } from "./limits/judge-budget.ts";
export { createBucket, noteRefusal, noteSuccess, takeTurn } from "./limits/provider-bucket.ts";
export type { BucketOptions, ProviderBucket } from "./limits/provider-bucket.ts";
