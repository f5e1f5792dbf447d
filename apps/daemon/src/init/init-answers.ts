import { CanopyError } from "@canopy/protocol/errors";
import type { Detection } from "./detect-project.ts";
import { pickSteps } from "./suggest-steps.ts";

/** A question to a person or an agent. Its JSON is what `canopy init --agent` prints. */
export interface InitQuestion {
  readonly id: "confirm_validation" | "validation_mode" | "validation_steps" | "extra_commands";
  readonly question: string;
  readonly type: "single_select" | "multi_select" | "freeform";
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly default: string | readonly string[];
  readonly placeholder: string;
  readonly depends_on?: { readonly question_id: string; readonly value: string };
}

/** What was answered, in the terms of the configuration. */
export interface InitAnswers {
  readonly isValidated: boolean;
  readonly mode: "strict" | "lenient";
  readonly steps: readonly { readonly name: string; readonly command: string }[];
}

/** The questions that fit what was found. */
export function createQuestions({ validation }: Detection): InitQuestion[] {
  const whenValidated = { question_id: "confirm_validation", value: "yes" };
  const picked = pickSteps(validation.suggested);
  return [
    {
      id: "confirm_validation",
      question: "Should work be validated before it lands?",
      type: "single_select",
      options: [
        { value: "yes", label: "Yes: only what passes the commands below lands" },
        { value: "no", label: "No: everything that merges lands" },
      ],
      default: picked.length > 0 ? "yes" : "no",
      placeholder: "",
    },
    {
      id: "validation_mode",
      question: "What happens to work that fails?",
      type: "single_select",
      options: [
        { value: "strict", label: "It does not land; a repair agent works on it" },
        { value: "lenient", label: "It lands, and a follow-up task is filed" },
      ],
      default: "strict",
      placeholder: "",
      depends_on: whenValidated,
    },
    {
      id: "validation_steps",
      question: "Which commands must pass?",
      type: "multi_select",
      options: validation.suggested.map(({ name, command, confidence }) => ({
        value: name,
        label: `${command} (${confidence})`,
      })),
      default: picked.map(({ name }) => name),
      placeholder: "",
      depends_on: whenValidated,
    },
    {
      id: "extra_commands",
      question: "Other commands that must pass, one a line?",
      type: "freeform",
      options: [],
      default: "",
      placeholder: "npm run e2e",
      depends_on: whenValidated,
    },
  ];
}

/** What counts when nobody is asked. */
export function suggestAnswers({ validation }: Detection): InitAnswers {
  const steps = pickSteps(validation.suggested).map(({ name, command }) => ({ name, command }));
  return { isValidated: steps.length > 0, mode: "strict", steps };
}

function invalid(message: string): CanopyError {
  return new CanopyError("usage.invalid", message, {
    hint: "canopy init --agent prints the questions and what each may be answered with",
  });
}

function readTexts(value: unknown, id: string): string[] | null {
  if (value === undefined || value === null) return null;
  const texts = typeof value === "string" ? value.split("\n") : value;
  if (!Array.isArray(texts) || !texts.every((each) => typeof each === "string"))
    throw invalid(`${id} must be a text or a list of texts`);
  return texts.map((each) => each.trim()).filter((each) => each !== "");
}

function readChoice(value: unknown, id: string, allowed: readonly string[]): string | null {
  if (value === undefined || value === null) return null;
  const text = typeof value === "boolean" ? (value ? "yes" : "no") : value;
  if (typeof text === "string" && allowed.includes(text)) return text;
  throw invalid(`${id} must be one of: ${allowed.join(", ")}`);
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the answers are not JSON: ${error instanceof Error ? error.message : ""}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("the answers must be one JSON object");
  return { ...value };
}

const IDS = ["confirm_validation", "validation_mode", "validation_steps", "extra_commands"];

/**
 * Reads the JSON of `canopy init --apply`; what is not answered has the question's default. A step is named, or is a command
 * of its own. Throws `usage.invalid`.
 */
export function parseAnswers(text: string, detection: Detection): InitAnswers {
  const answers = parseObject(text);
  const unknown = Object.keys(answers).find((key) => !IDS.includes(key));
  if (unknown !== undefined) throw invalid(`there is no question '${unknown}'; there are: ${IDS.join(", ")}`);
  const suggested = suggestAnswers(detection);
  const confirm = readChoice(answers["confirm_validation"], "confirm_validation", ["yes", "no"]);
  const mode = readChoice(answers["validation_mode"], "validation_mode", ["strict", "lenient"]);
  const chosen = readTexts(answers["validation_steps"], "validation_steps");
  const extra = readTexts(answers["extra_commands"], "extra_commands") ?? [];
  const named = (chosen ?? suggested.steps.map(({ name }) => name)).map((reference) => {
    const step = detection.validation.suggested.find(
      ({ name, command }) => name === reference || command === reference,
    );
    return step === undefined
      ? { name: nameCommand(reference), command: reference }
      : { name: step.name, command: step.command };
  });
  const steps = nameApart([...named, ...extra.map((command) => ({ name: nameCommand(command), command }))]);
  const isValidated = confirm === null ? steps.length > 0 : confirm === "yes";
  if (isValidated && steps.length === 0) throw invalid("validation was confirmed, but no command was named");
  return {
    isValidated,
    mode: mode === "lenient" ? "lenient" : "strict",
    steps: isValidated ? steps : suggested.steps,
  };
}

function nameCommand(command: string): string {
  return command.replaceAll(/\s+/g, " ").slice(0, 60);
}

function nameApart(steps: readonly { readonly name: string; readonly command: string }[]): {
  name: string;
  command: string;
}[] {
  const unique = steps.filter(
    ({ command }, index) => steps.findIndex((other) => other.command === command) === index,
  );
  return unique.map((step, index) => {
    const before = unique.slice(0, index).filter(({ name }) => name === step.name).length;
    return before === 0 ? { ...step } : { ...step, name: `${step.name} ${before + 1}` };
  });
}
