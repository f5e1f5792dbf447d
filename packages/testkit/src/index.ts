export { hostRoom, openTestHost } from "./open-test-host.ts";
export type { TestHost } from "./open-test-host.ts";
export { TEST_EPOCH_MS, TEST_PERSON, openTestRoom } from "./open-test-room.ts";
export type { TestRoom } from "./open-test-room.ts";
export {
  TEST_RUNNER,
  attemptResult,
  buildOutcomes,
  failedResult,
  moveAll,
  openProjectDriver,
  stackBuild,
} from "./project-driver.ts";
export { QueueSimulation } from "./queue-simulation.ts";
export { FakeRepository } from "./fake-repository.ts";
export type { FakeCommit } from "./fake-repository.ts";
export { testBudget, testQueuePolicy } from "./test-queue-policy.ts";
export type { ProjectDriver } from "./project-driver.ts";
export {
  listAcpFixtures,
  listNativeFixtures,
  listStreamFixtures,
  readAcpFixture,
  readNativeFixture,
  readStreamFixture,
} from "./acp-fixtures.ts";
export { readHookFixture } from "./hook-fixtures.ts";
export type { AcpFixtureLine } from "./acp-fixtures.ts";
export { findEventFaults } from "./check-events.ts";
export { EventCollector } from "./collect-events.ts";
export { DOT_PNG } from "./capability-conformance.ts";
export { describeRealAgent } from "./real-agent-conformance.ts";
export type { RealAgentTraits } from "./real-agent-conformance.ts";
export { describeDriverConformance } from "./driver-conformance.ts";
export type { ConformanceHarness, ConformanceScenario } from "./driver-conformance.ts";
export { createFakeChild } from "./fake-child.ts";
export type { FakeChild } from "./fake-child.ts";
export { createSayPrompt, createScenarioScript } from "./scripted-scenarios.ts";
export { spawnLocal } from "@canopy/agents";
export {
  GEMINI_SETTINGS,
  REAL_AGENTS,
  createRealAgentDriver,
  findRealAgent,
  launchRealAgent,
  realAgentCache,
} from "./real-agents.ts";
export type { RealAgentLaunch, RealAgentName, RealAgentPackage } from "./real-agents.ts";
export { CoordinationRoom, TEST_WORKTREE, testTarget } from "./coordination-room.ts";
export { startRecorder } from "./start-recorder.ts";
export type { Recorder } from "./start-recorder.ts";
