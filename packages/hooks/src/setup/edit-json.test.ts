import * as fc from "fast-check";
import { parse } from "jsonc-parser";
import type { ParseError } from "jsonc-parser";
import { expect, test } from "vitest";
import { z } from "zod";
import { insertJson } from "./insert-json.ts";
import type { JsonEntry } from "./insert-json.ts";
import { parseJsonDocument } from "./json-document.ts";
import { removeJson } from "./remove-json.ts";
import type { OwnedJson } from "./remove-json.ts";
import { cutAll, findAndCutAll, insertAll, shiftAll } from "./text-insertion.ts";

const OURS = { matcher: "Edit", hooks: [{ type: "command", command: "canopy-hook" }] };
const ENTRIES: readonly JsonEntry[] = [
  { kind: "element", names: ["hooks", "Pre"], value: OURS },
  { kind: "element", names: ["hooks", "Post"], value: OURS },
  { kind: "member", names: ["servers", "canopy"], value: { url: "u" } },
];
const OWNED: OwnedJson = {
  lists: [["hooks"]],
  isOurs: (element) => {
    const text = JSON.stringify(element);
    return text.includes("canopy-hook") && !text.includes("theirs");
  },
  members: [["servers", "canopy"]],
};

function insert(text: string, entries = ENTRIES): string {
  return insertAll(text, insertJson(parseJsonDocument("f", text), entries));
}

function read(text: string): unknown {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  expect([errors, text]).toEqual([[], text]);
  return value;
}

test("a new entry stands behind what is there, laid out as the file is", () => {
  const text =
    '{\n\t"model": "x", // mine\n\t"hooks": {\n\t\t"Pre": [\n\t\t\t{ "hooks": [] } // theirs\n\t\t],\n\t},\n}\n';
  expect(insert(text, ENTRIES.slice(0, 2))).toBe(
    '{\n\t"model": "x", // mine\n\t"hooks": {\n\t\t"Pre": [\n\t\t\t{ "hooks": [] }, // theirs\n\t\t\t{\n\t\t\t\t"matcher": "Edit",\n\t\t\t\t"hooks": [\n\t\t\t\t\t{\n\t\t\t\t\t\t"type": "command",\n\t\t\t\t\t\t"command": "canopy-hook"\n\t\t\t\t\t}\n\t\t\t\t]\n\t\t\t}\n\t\t],\n\t\t"Post": [\n\t\t\t{\n\t\t\t\t"matcher": "Edit",\n\t\t\t\t"hooks": [\n\t\t\t\t\t{\n\t\t\t\t\t\t"type": "command",\n\t\t\t\t\t\t"command": "canopy-hook"\n\t\t\t\t\t}\n\t\t\t\t]\n\t\t\t}\n\t\t]\n\t},\n}\n',
  );
});

test.each([
  ["", '{\n  "servers": {\n    "canopy": {\n      "url": "u"\n    }\n  }\n}\n'],
  ["{}", '{\n  "servers": {\n    "canopy": {\n      "url": "u"\n    }\n  }\n}'],
  ['{"a":1}', '{"a":1,"servers":{"canopy":{"url":"u"}}}'],
  ['{"servers":{}}', '{"servers":{"canopy":{"url":"u"}}}'],
  [
    '{\r\n    "a": 1\r\n}',
    '{\r\n    "a": 1,\r\n    "servers": {\r\n        "canopy": {\r\n            "url": "u"\r\n        }\r\n    }\r\n}',
  ],
  ["{ // note\n}", '{\n  "servers": {\n    "canopy": {\n      "url": "u"\n    }\n  } // note\n}'],
])("%j takes a member", (text, expected) => {
  expect(insert(text, ENTRIES.slice(2))).toBe(expected);
});

test.each([
  ["{", "CloseBraceExpected in line 1"],
  ['{\n"a": tru\n}', "InvalidSymbol in line 2"],
  ["[1]", "the whole file is no object"],
  ['{"hooks": []}', '"hooks" is no object'],
  ['{"hooks": {"Pre": {}}}', '"hooks.Pre" is no list'],
  ['{"hooks": {}, "hooks": {}}', 'has "hooks" more than once'],
])("%j is refused", (text, message) => {
  expect(() => insert(text)).toThrow(message);
});

test("a handler of ours in a group with others is taken out of it alone", () => {
  const text =
    '{"hooks":{"Pre":[{"hooks":[{"command":"theirs"},{"command":"canopy-hook"}]}],"Post":[{"matcher":"x","hooks":[{"command":"canopy-hook"}]}]},"a":1}';
  expect(removeJson("f", text, OWNED)).toBe('{"hooks":{"Pre":[{"hooks":[{"command":"theirs"}]}]},"a":1}');
});

function dropEmpty(value: unknown): unknown {
  const file = z.record(z.string(), z.unknown()).parse(value);
  const lists = z.record(z.string(), z.array(z.unknown())).catch({}).parse(file["hooks"]);
  const hooks = Object.entries(lists).filter(([, list]) => list.length > 0);
  const servers = Object.entries(z.record(z.string(), z.unknown()).catch({}).parse(file["servers"]));
  return { ...file, hooks: Object.fromEntries(hooks), servers: Object.fromEntries(servers) };
}

/** JSON of any layout: blanks, comments and trailing commas anywhere, and hooks of others among the rest. */
function layOut(value: unknown, pick: () => string, comma: () => string): string {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => pick() + layOut(item, pick, comma) + pick());
    return `[${items.join(",")}${items.length > 0 ? comma() : pick()}${pick()}]`;
  }
  if (typeof value === "object" && value !== null) {
    const items = Object.entries(value).map(
      ([name, item]) =>
        `${pick()}${JSON.stringify(name)}${pick()}:${pick()}${layOut(item, pick, comma)}${pick()}`,
    );
    return `{${items.join(",")}${items.length > 0 ? comma() : pick()}${pick()}}`;
  }
  return JSON.stringify(value);
}

const THEIRS = fc.record({ matcher: fc.string(), hooks: fc.constant([{ command: "theirs" }]) });
const LIST = fc.array(THEIRS, { maxLength: 3 });
const FILE = fc.record(
  {
    // The parser of the comparison loses a member of this name; insertions and cuts do not look at it.
    model: fc.jsonValue({ maxDepth: 2 }).filter((value) => !/__proto__|\//.test(JSON.stringify(value))),
    hooks: fc.record({ Pre: LIST, Post: LIST, Other: LIST }, { requiredKeys: [] }),
    servers: fc.record({ other: fc.constant({ url: "x" }) }, { requiredKeys: [] }),
    last: fc.string().filter((value) => !value.includes("/")),
  },
  { requiredKeys: [] },
);
const GAPS = ["", "", " ", "\n", "\r\n", "\t", "\n    ", " /* c, } */ ", " // {,\n", "\r\n// ]\r\n  "];

const ODD_FILE = fc
  .tuple(
    FILE,
    fc.infiniteStream(fc.constantFrom(...GAPS)),
    fc.infiniteStream(fc.boolean()),
    fc.constantFrom("", "\n", "\r\n\r\n"),
  )
  .map(([plain, gaps, commas, end]) => {
    // Without what JSON does not keep: minus zero.
    const value: typeof plain = JSON.parse(JSON.stringify(plain));
    const pick = (): string => String(gaps.next().value ?? "");
    const comma = (): string => (commas.next().value === true ? "," : "");
    return { value, text: pick() + layOut(value, pick, comma) + end };
  });

test("in files of any layout: nothing else changes, all of ours is there, and taking it out restores every byte", () => {
  fc.assert(
    fc.property(ODD_FILE, ({ value, text }) => {
      const insertions = insertJson(parseJsonDocument("f", text), ENTRIES);
      const after = insertAll(text, insertions);
      expect(cutAll(after, shiftAll(insertions))).toBe(text);
      const hooks: Readonly<Record<string, unknown[]>> = { ...value.hooks };
      expect(read(after)).toEqual({
        ...value,
        hooks: { ...hooks, Pre: [...(hooks["Pre"] ?? []), OURS], Post: [...(hooks["Post"] ?? []), OURS] },
        servers: { ...value.servers, canopy: { url: "u" } },
      });
    }),
    { numRuns: 2_000 },
  );
});

test("without a record, taking ours out leaves what others mean, and a file that parses", () => {
  fc.assert(
    fc.property(ODD_FILE, ({ value, text }) => {
      const left = removeJson("f", insert(text), OWNED);
      // Whether an empty list was there before is not known without a record.
      expect(dropEmpty(read(left))).toEqual(dropEmpty(value));
      const comments = (body: string): string[] => body.match(/\/\*.*?\*\/|\/\/[^\r\n]*/g) ?? [];
      expect(comments(left)).toEqual(comments(text));
    }),
    { numRuns: 2_000 },
  );
});

test("pieces are found again in a file that changed elsewhere, and not when they themselves changed", () => {
  const text = '{\n  "a": 1\n}\n';
  const insertions = insertJson(parseJsonDocument("f", text), ENTRIES);
  const after = insertAll(text, insertions);
  expect(findAndCutAll(after.replace('"a": 1', '"a": 22,\n  "b": 3'), insertions)).toBe(
    '{\n  "a": 22,\n  "b": 3\n}\n',
  );
  expect(findAndCutAll(after.replace("Edit", "Exit"), insertions)).toBe(null);
  expect(cutAll(after.replace("Edit", "Exit"), shiftAll(insertions))).toBe(null);
});
