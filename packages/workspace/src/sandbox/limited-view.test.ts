import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { planLiftDrop } from "./limited-view.ts";

test.each([
  ["root", "CapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n", true],
  ["root of a container without the right to lift limits", "CapEff:\t000001fffeffffff\n", false],
  ["root that may take nothing away", "CapEff:\t0000000001000000\n", false],
  ["an ordinary user", "CapEff:\t0000000000000000\n", false],
  ["a system without /proc", "", false],
])("the right to lift limits is taken from whom has it: %s", (_who, status, isTaken) => {
  const command = ["setpriv", "--inh-caps", "-sys_resource", "--bounding-set", "-sys_resource"];
  expect(planLiftDrop(status)).toEqual(isTaken ? command : []);
});

test.skipIf(process.getuid?.() !== 0)("what takes it away leaves the other rights", () => {
  const [program = "", ...options] = planLiftDrop("CapEff:\t000001ffffffffff\n");
  const read = (text: string): bigint => BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(text)?.[1] ?? "0"}`);
  const before = read(execFileSync("cat", ["/proc/self/status"], { encoding: "utf8" }));
  const after = execFileSync(program, [...options, "cat", "/proc/self/status"], { encoding: "utf8" });
  expect(read(after)).toBe(before & ~(1n << 24n));
});
