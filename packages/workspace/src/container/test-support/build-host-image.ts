import { execFile } from "node:child_process";
import { access, cp, mkdir, readFile, realpath, rm, symlink } from "node:fs/promises";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const execute = promisify(execFile);
const PROGRAMS =
  `sh bash cat cp mv rm ls ln mkdir chmod chown touch stat head tail wc cut tr dd grep find tar sleep env true id readlink seq du mknod setsid perl
  mount umount unshare nsenter chroot setpriv prlimit ps hostname dmesg curl git nice script`.split(/\s+/);
/** Of Perl its base, and threads, which Debian has elsewhere. */
const PERL_FILES =
  'print join "\\n", grep { m{^/.*/perl-base$} and -d } @INC; (my $f = $INC{"threads.pm"}) =~ s/threads.pm$//; print "\\n${f}threads.pm\\n${f}auto/threads"';
const FOLDERS = ["/usr/bin", "/usr/sbin"];
const importedSchema = z.object({ status: z.string().startsWith("sha256:") });

async function findProgram(name: string): Promise<string | null> {
  for (const folder of FOLDERS) {
    const path = join(folder, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

/** A program with the libraries that it is linked with. */
async function listFiles(name: string): Promise<string[]> {
  const path = await findProgram(name);
  if (path === null) return [];
  const { stdout } = await execute("ldd", [path]).catch(() => ({ stdout: "" }));
  return [
    path,
    ...(stdout.match(/\/[^ )\n]+/g) ?? []).map((file) => (file.startsWith("/usr/") ? file : `/usr${file}`)),
  ];
}

/** Puts some of this machine's programs, with their libraries, into a folder as the root of an image. */
async function fillRoot(root: string): Promise<void> {
  for (const name of [
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
    "etc",
    "tmp",
    "proc",
    "dev",
    "sys",
    "run",
    "var",
    "root",
  ])
    await mkdir(join(root, name), { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) await symlink(`usr/${name}`, join(root, name));
  const files = new Set((await Promise.all(PROGRAMS.map(listFiles))).flat());
  const { stdout } = await execute("perl", ["-Mthreads", "-e", PERL_FILES]);
  for (const file of stdout.split("\n")) files.add(file);
  for (const file of files) {
    const target = join(root, file);
    await mkdir(dirname(target), { recursive: true });
    await cp(await realpath(file), target, { recursive: true, force: true });
  }
}

async function importTar(socketPath: string, repository: string, tar: Buffer): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const path = `/v1.41/images/create?fromSrc=-&repo=${encodeURIComponent(repository)}`;
    const made = request({
      socketPath,
      method: "POST",
      path,
      headers: { "Content-Type": "application/x-tar", "Content-Length": tar.length },
    });
    made.once("error", reject);
    made.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve(JSON.parse(text.trim().split("\n").at(-1) ?? "")));
    });
    made.end(tar);
  });
}

/** Makes an image with an engine, of this machine's own programs: no registry is asked. Answers its name. `folder` is for the work. */
export async function buildHostImage(socketPath: string, folder: string): Promise<string> {
  const repository = "localhost/canopy-test";
  const root = join(folder, "root");
  const file = join(folder, "root.tar");
  await fillRoot(root);
  await execute("tar", ["-C", root, "--owner=0", "--group=0", "--numeric-owner", "-cf", file, "."]);
  importedSchema.parse(await importTar(socketPath, repository, await readFile(file)));
  await rm(root, { recursive: true });
  await rm(file);
  return `${repository}:latest`;
}
