import { expect, test } from "vitest";
import { isOnList, isPrivateAddress, parseEgressRule } from "./egress-proxy.ts";

test.each([
  ["a.test", "a.test", 443, true],
  ["a.test", "A.TEST.", 80, true],
  ["a.test", "a.test", 22, false],
  ["a.test:8443", "a.test", 8443, true],
  ["a.test:8443", "a.test", 443, false],
  ["a.test", "b.a.test", 443, false],
  ["*.a.test", "b.a.test", 443, true],
  ["*.a.test", "a.test", 443, false],
  ["*.a.test", "evila.test", 443, false],
  ["a.test", "a.test.evil.test", 443, false],
  ["[2001:db8::1]:443", "2001:db8::1", 443, true],
])("the rule %s lets %s:%i out: %s", (rule, host, port, isLetOut) => {
  expect(isOnList([parseEgressRule(rule)], host, port)).toBe(isLetOut);
});

test("no name may lead to an address of a private network, however it is written", () => {
  const inside = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.169.254",
  ];
  inside.push(
    "100.64.0.1",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:7f00:1",
    "no address",
  );
  expect(inside.filter((address) => !isPrivateAddress(address))).toEqual([]);
  expect(["1.1.1.1", "172.32.0.1", "2606:4700::1111"].filter(isPrivateAddress)).toEqual([]);
});
