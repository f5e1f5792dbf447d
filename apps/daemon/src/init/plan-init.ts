// The entry `@canopy/daemon/init`: loads nothing of the daemon, so that the command line starts at once.
export { detectProject } from "./detect-project.ts";
export type { Detection } from "./detect-project.ts";
export { createQuestions, parseAnswers, suggestAnswers } from "./init-answers.ts";
export type { InitAnswers } from "./init-answers.ts";
export { renderConfig } from "./render-config.ts";
