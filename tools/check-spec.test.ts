import { expect, test } from "vitest";
import { checkSpec, listProvedRules, listRules } from "./check-spec.ts";
import { makeFixture } from "./make-fixture.ts";

test("a rule without a test, a test without a rule and a rule written twice are breaches", () => {
  using fixture = makeFixture({
    "packages/core/SPEC.md": "# Rules\n- TK1 One.\n- TK2 Two.\n- TK2 Two again.\n- TK3 Three, unlike TK9.\n",
    "packages/core/src/a.test.ts": 'test("[TK1] one", f);\ntest(`[TK3] [TK4] more`, f);\n',
    "packages/core/src/a.ts": 'const title = "[TK2] not a test";\n',
    "packages/git/src/b.test.ts": 'test("[GT1] no spec here", f);\n',
  });
  expect(checkSpec(fixture.root)).toEqual([
    "packages/core/SPEC.md: TK2 is there twice",
    "packages/core/SPEC.md: no test title begins with [TK2]",
    "packages/core/src/a.test.ts: [TK4] is no rule of packages/core/SPEC.md",
    "packages/git/src/b.test.ts: [GT1] is no rule of packages/git/SPEC.md",
  ]);
});

test("rules and proofs are read as they are written", () => {
  expect(listRules("- **KR1** a\nKR2 b\n  - KR3 c\ntext KR4\nKRX d\n")).toEqual(["KR1", "KR2", "KR3"]);
  expect(listProvedRules("test('[A1] no')\ntest('[AB1] yes')\ntest('see [AB2]')\n")).toEqual(["AB1"]);
});
