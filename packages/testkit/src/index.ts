export { TEST_EPOCH_MS, TEST_PERSON, openTestRoom } from "./open-test-room.ts";
export type { TestRoom } from "./open-test-room.ts";
export { TEST_RUNNER, attemptResult, failedResult, openProjectDriver } from "./project-driver.ts";
export type { ProjectDriver } from "./project-driver.ts";
