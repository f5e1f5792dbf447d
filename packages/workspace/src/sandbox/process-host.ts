import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Where things of the person are. */
export interface ProcessHost {
  readonly out: string;
  readonly home: string;
  readonly port: string;
}

const SHELL_FILES: Readonly<Record<string, string>> = {
  ".bash_profile": "CANARY_PROFILE=canary-secret\n",
  ".bashrc": "CANARY_BASHRC=canary-secret\n",
  ".gitconfig": "[canary]\n\thome = canary-secret\n",
  ".git-credentials": "https://other:canary-secret@other.test\nhttps://person:canary-password@git.test\n",
  ".netrc": "machine 127.0.0.1 login canary-secret password canary-secret\n",
};

/** Puts what a person's tools find below their HOME, and what their environment names, where it belongs. */
export async function fillPersonsHome({ out, home }: ProcessHost): Promise<void> {
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  for (const [name, text] of Object.entries(SHELL_FILES)) await put(join(home, name), text);
  await put(join(out, "xdg/git/config"), "[canary]\n\txdg = canary-secret\n");
  await put(join(out, "global.gitconfig"), "[canary]\n\tglobal = canary-secret\n");
  await put(join(out, "askpass"), "#!/bin/sh\necho canary-secret\n");
  await put(join(out, "ssh"), "#!/bin/sh\necho canary-ssh >&2\n");
  for (const name of ["askpass", "ssh"]) await chmod(join(out, name), 0o755);
  await put(join(out, "template/hooks/post-commit"), "#!/bin/sh\n");
  await put(join(out, "canary.cjs"), 'globalThis.canary = "canary-secret";\n');
  await put(join(out, "perl/Canary.pm"), 'package Canary; our $value = "canary-secret"; 1;\n');
  await put(join(out, "bash.env"), "CANARY_BASH=canary-secret\n");
  await put(join(out, "sh.env"), "CANARY_SH=canary-secret\n");
  await put(join(out, "curl/.curlrc"), 'write-out = "canary-curl"\n');
  await put(join(out, "kubeconfig"), "canary-secret\n");
}

/** The environment of a person whose tools are set up by it. */
export function describePersonsEnvironment({ out, port }: ProcessHost): Record<string, string> {
  return {
    LC_CANARY: "canary-locale",
    GIT_DIR: join(out, "repository/.git"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "canary.count",
    GIT_CONFIG_VALUE_0: "canary-secret",
    GIT_CONFIG_GLOBAL: join(out, "global.gitconfig"),
    GIT_ASKPASS: join(out, "askpass"),
    GIT_SSH_COMMAND: join(out, "ssh"),
    GIT_TEMPLATE_DIR: join(out, "template"),
    GIT_EDITOR: "canary-editor",
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(out, "repository/.git/objects"),
    NODE_OPTIONS: `--require=${join(out, "canary.cjs")}`,
    PERL5LIB: join(out, "perl"),
    PERL5OPT: "-MCanary",
    BASH_ENV: join(out, "bash.env"),
    ENV: join(out, "sh.env"),
    "BASH_FUNC_canary_function%%": "() { echo canary-secret; }",
    CURL_HOME: join(out, "curl"),
    KUBECONFIG: join(out, "kubeconfig"),
    DOCKER_HOST: `unix://${join(out, "daemon.sock")}`,
    DBUS_SESSION_BUS_ADDRESS: `unix:abstract=canopy-escape-${port}`,
    XDG_CONFIG_HOME: join(out, "xdg"),
    XDG_RUNTIME_DIR: out,
    http_proxy: `http://canary:canary-secret@127.0.0.1:${port}`,
    OLDPWD: out,
  };
}
