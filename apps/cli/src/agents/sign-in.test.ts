import { expect, test } from "vitest";
import { describeSignIn, summarizeSignIn } from "./sign-in.ts";

const KEY = { name: "KEY", set: false, named: false };
const FILE = "/home/a/login.json";

test.each([
  ["no", { credentials: [KEY], login: { file: null, given: false } }],
  ["unknown", { credentials: [], login: null }],
  ["key", { credentials: [KEY, { ...KEY, set: true, named: true }], login: { file: FILE, given: false } }],
  ["key missing", { credentials: [{ ...KEY, named: true }], login: null }],
  ["no: key not named", { credentials: [{ ...KEY, set: true }], login: null }],
  ["no: login not given", { credentials: [KEY], login: { file: FILE, given: false } }],
  ["login", { credentials: [KEY], login: { file: FILE, given: true } }],
  ["login missing", { credentials: [KEY], login: { file: null, given: true } }],
])("it is signed in: %s", (word, survey) => {
  expect(summarizeSignIn({ name: "a", ...survey })).toBe(word);
});

test("what to write so that an agent is signed in is said where there is something to give", () => {
  const credentials = [
    { ...KEY, set: true },
    { name: "OTHER", set: false, named: false },
  ];
  expect(describeSignIn({ name: "claude", credentials, login: { file: FILE, given: false } })).toEqual([
    'key: KEY is set, not given to it; to give it: [agents.claude] env = ["KEY"] in ~/.config/canopy/agents.toml',
    "key: OTHER is not set",
    `login: ${FILE}, not given to it; to give it a copy: [agents.claude] login = true in ~/.config/canopy/agents.toml`,
  ]);
  expect(describeSignIn({ name: "a", credentials: [], login: null })).toEqual([
    "key: no variable is known for it",
  ]);
  const named = { name: "a", credentials: [{ ...KEY, named: true }], login: { file: null, given: true } };
  expect(describeSignIn(named)).toEqual([
    "key: KEY, named for it, but not set",
    "login: to be given, but there is none",
  ]);
});
