import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CONFIG_PATH, parseConfig } from "./load-config.ts";

function withHost(text: string, host: string): string {
  const quoted = JSON.stringify(host);
  const table = /^\[sandbox\][ \t]*(?:#.*)?$/m.exec(text);
  if (table === null)
    return `${text === "" || text.endsWith("\n") ? text : `${text}\n`}\n[sandbox]\nallow = [${quoted}]\n`;
  const start = table.index + table[0].length;
  const nextTable = text.slice(start).search(/^\[/m);
  const end = nextTable < 0 ? text.length : start + nextTable;
  const body = text.slice(start, end);
  const key = /^allow[ \t]*=[ \t]*\[/m.exec(body);
  if (key === null) return `${text.slice(0, start)}\nallow = [${quoted}]${text.slice(start)}`;
  const at = start + key.index + key[0].length;
  const isEmpty = /^\s*\]/.test(text.slice(at));
  return `${text.slice(0, at)}${quoted}${isEmpty ? "" : ", "}${text.slice(at)}`;
}

/**
 * Adds a host (`host`, `*.host` or `host:port`) to the allow-list of a project's configuration, keeping the rest of the file
 * as it is. False when it was there already. Throws `config.invalid` for a file or a host that is not valid.
 */
export async function allowHost(workTree: string, host: string): Promise<boolean> {
  const file = join(workTree, CONFIG_PATH);
  const text = await readFile(file, "utf8").catch(() => "");
  if (parseConfig(text, file).sandbox.allow.includes(host)) return false;
  const changed = withHost(text, host);
  const isAdded = parseConfig(changed, file).sandbox.allow.includes(host);
  if (!isAdded) throw new Error(`broken invariant: ${host} was added to ${file}`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, changed);
  return true;
}
