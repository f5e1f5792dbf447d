import { appendFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RefusalRecord } from "@canopy/workspace";
import { noteRefusal, readRefusals } from "./refusal-log.ts";

function refusal(host: string, port: number, reason: RefusalRecord["reason"] = "not-on-list"): RefusalRecord {
  return { atMs: 1, projectId: "prj_a", workspaceId: "att_1", host, port, reason };
}

test("refusals are read back with the command that allows them, and never one that a host's name could change", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-refusals-"));
  try {
    expect(await readRefusals(folder, "prj_a")).toEqual([]);
    noteRefusal(folder, refusal("a.test", 443));
    noteRefusal(folder, refusal("a.test", 22));
    noteRefusal(folder, refusal("2001:db8::1", 443));
    noteRefusal(folder, refusal("a.test; rm -rf ~", 443));
    noteRefusal(folder, refusal("inner.test", 80, "private-address"));
    noteRefusal(folder, { ...refusal("other.test", 80), projectId: "prj_b" });
    await appendFile(join(folder, "refusals", "prj_a.jsonl"), '{"atMs":1,"hos');
    expect((await readRefusals(folder, "prj_a")).map(({ fix }) => fix)).toEqual([
      "canopy sandbox allow a.test",
      "canopy sandbox allow a.test:22",
      "canopy sandbox allow [2001:db8::1]:443",
      null,
      null,
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the log does not grow without end", async () => {
  const folder = await mkdtemp(join(tmpdir(), "canopy-refusals-"));
  try {
    const long = "a".repeat(250_000);
    for (let index = 0; index < 20; index += 1) noteRefusal(folder, refusal(`${index}.${long}`, 80));
    const kept = await readRefusals(folder, "prj_a");
    expect([kept.at(-1)?.host.slice(0, 3), kept.length <= 10]).toEqual(["19.", true]);
    expect(await readdir(join(folder, "refusals"))).toEqual(["prj_a.jsonl", "prj_a.jsonl.old"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
