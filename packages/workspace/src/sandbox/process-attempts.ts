import type { EscapeAttempt } from "./escape-attempts.ts";

// What level `process` promises and an attack on each of its promises: the environment is made from nothing, HOME and TMPDIR are the
// workspace's own, no other process is seen, and limits cannot be lifted. `process-host.ts` makes what is worth having: a person
// with a full environment. `$PERSON` is their home by its path, which this level does not hide.
const env = (name: string, script: string): EscapeAttempt => ({
  name: `environment: ${name}`,
  script: `${script} && echo GOT`,
});
const GIT = "env -u GIT_DIR -u GIT_CONFIG_GLOBAL -u GIT_CONFIG_COUNT -u XDG_CONFIG_HOME git";
const ask = String.raw`printf 'protocol=https\nhost=git.test\n\n'`;

/** By what a program does of itself with its environment; each program another way. */
const ENVIRONMENT: readonly EscapeAttempt[] = [
  env("a secret that passes for a locale", '[ "$LC_CANARY" = canary-locale ]'),
  env(
    "git works on the person's repository",
    '[ "$(git rev-parse --absolute-git-dir)" = "$OUT/repository/.git" ]',
  ),
  env(
    "git has settings by GIT_CONFIG_COUNT",
    '[ "$(env -u GIT_DIR git config canary.count)" = canary-secret ]',
  ),
  env(
    "git reads the person's global settings",
    '[ "$(env -u GIT_DIR git config canary.global)" = canary-secret ]',
  ),
  env(
    "git reads the person's XDG settings",
    '[ "$(env -u GIT_DIR -u GIT_CONFIG_GLOBAL git config canary.xdg)" = canary-secret ]',
  ),
  env(
    "git asks the person's askpass",
    `${ask} | GIT_TERMINAL_PROMPT=0 env -u GIT_DIR git -c credential.helper= credential fill | grep -q canary-secret`,
  ),
  env("git uses the person's ssh command", `${GIT} ls-remote ssh://git.test/x 2>&1 | grep -q canary-ssh`),
  env(
    "git copies hooks from the person's template",
    `${GIT} init -q template && [ -e template/.git/hooks/post-commit ]`,
  ),
  env("git runs the person's editor", `[ "$(${GIT} var GIT_EDITOR)" = canary-editor ]`),
  env(
    "git reads the person's objects",
    `${GIT} init -q objects && ${GIT} -C objects cat-file -e "$COMMIT^{commit}"`,
  ),
  env(
    "Node is given the person's options",
    `"$NODE" -e 'process.exit(globalThis.canary === "canary-secret" ? 0 : 1)'`,
  ),
  env("Perl is given the person's options", `perl -e 'exit(defined $Canary::value ? 0 : 1)'`),
  env("bash runs the person's BASH_ENV", `bash -c '[ "$CANARY_BASH" = canary-secret ]' </dev/null`),
  env("an interactive shell runs the person's ENV", `sh -ic '[ "$CANARY_SH" = canary-secret ]'`),
  env("a function of the person's shell, which a shell hides", "grep -qa canary_function /proc/$$/environ"),
  env("curl finds the person's settings", 'curl -s "file:///dev/null" | grep -q canary-curl'),
  env("a file of secrets by its variable", 'grep -q canary-secret "$KUBECONFIG"'),
  env(
    "a socket by its variable",
    'curl -sS -m 5 --unix-socket "${DOCKER_HOST#unix://}" http://x/ | grep -q canary-server',
  ),
  env(
    "the session's bus",
    'curl -sS -m 5 --abstract-unix-socket "${DBUS_SESSION_BUS_ADDRESS#unix:abstract=}" http://x/ | grep -q canary-server',
  ),
  env("the folder of the person's sockets", '[ -S "$XDG_RUNTIME_DIR/daemon.sock" ]'),
  env(
    "the password of the person's proxy",
    "curl -sS -m 5 http://away.invalid/authorization | grep -q canary-server",
  ),
  env("the folder that the person came from", 'cd - >/dev/null && grep -q canary-outside "$PWD/secret"'),
];

const home = (name: string, script: string): EscapeAttempt => ({
  name: `home: ${name}`,
  script: `${script} && echo GOT`,
});

/** What programs look for below HOME of themselves, and what they or an agent leave there for the person. */
const HOMES: readonly EscapeAttempt[] = [
  home("git finds the person's settings", `[ "$(${GIT} config canary.home)" = canary-secret ]`),
  home(
    "git finds the person's stored passwords",
    `${ask} | GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=true ${GIT} -c credential.helper=store credential fill | grep -q canary-password`,
  ),
  home(
    "curl finds the person's passwords",
    "curl -sS -m 5 --noproxy '*' -n http://127.0.0.1:$PORT/authorization | grep -q 'Basic '",
  ),
  home(
    "a login shell runs the person's profile",
    `env -u BASH_ENV bash -lc '[ "$CANARY_PROFILE" = canary-secret ]'`,
  ),
  home(
    "an interactive shell runs the person's bashrc",
    `env -u BASH_ENV bash -ic '[ "$CANARY_BASHRC" = canary-secret ]'`,
  ),
  home(
    "settings that are planted for git",
    `${GIT} config --global canary.planted yes && grep -q planted "$PERSON/.gitconfig"`,
  ),
  home(
    "a line that is planted in the bashrc",
    'echo "# planted" >> ~/.bashrc && grep -q planted "$PERSON/.bashrc"',
  ),
  home(
    "a key that is planted for ssh",
    'mkdir -p ~/.ssh && echo planted >> ~/.ssh/authorized_keys && grep -q planted "$PERSON/.ssh/authorized_keys"',
  ),
  home(
    "a password that is planted for git",
    `printf 'protocol=https\\nhost=evil.test\\nusername=planted\\npassword=p\\n' | ${GIT} -c credential.helper=store credential approve && grep -q planted "$PERSON/.git-credentials"`,
  ),
  home(
    "a hook that is planted for the person's agent",
    'mkdir -p ~/.claude && echo planted > ~/.claude/settings.json && grep -q planted "$PERSON/.claude/settings.json"',
  ),
  home(
    "a program that is planted on the person's path",
    'mkdir -p ~/.local/bin && ln -s /bin/true ~/.local/bin/planted && [ -L "$PERSON/.local/bin/planted" ]',
  ),
  home("everybody can look into it", '[ -n "$(find "$HOME" -maxdepth 0 -perm /077)" ]'),
  home("files that everybody can write", 'touch "$HOME/wide" && [ -n "$(find "$HOME/wide" -perm /022)" ]'),
];

const perl = (name: string, code: string): EscapeAttempt => ({ name, script: `perl -e '${code}'` });

/** Other processes, beside those attempts of the general suite that this level blocks too. */
const OTHERS: readonly EscapeAttempt[] = [
  {
    name: "search the environment of every process",
    script: "grep -qs canary-environment /proc/[0-9]*/environ && echo GOT",
  },
  {
    name: "what the parent has open",
    script: 'for f in /proc/$PPID/fd/*; do [ "$(readlink "$f")" = "$OUT/own" ] && echo GOT; done',
  },
  { name: "the command line of the parent", script: "grep -qa scenario /proc/$PPID/cmdline && echo GOT" },
  {
    name: "steal a descriptor",
    script: `perl -e 'my $p = syscall(434,$ENV{HOSTPID}+0,0); my $f = syscall(438,$p,3,0); exit if $f < 0; open my $h, "<&=", $f; print "GOT\\n" if <$h> =~ /canary/'`,
  },
  perl(
    "read the memory of a process",
    'open my $m, "<", "/proc/$ENV{HOSTPID}/maps" or exit; my ($s,$e) = map { hex } join("",<$m>) =~ /^(\\w+)-(\\w+) .*\\[stack\\]/m; open my $h, "<", "/proc/$ENV{HOSTPID}/mem" or exit; sysseek $h, $s, 0; sysread $h, my $b, $e - $s; print "GOT\\n" if $b =~ /canary-environment/',
  ),
  perl(
    "change the limits of a process",
    'my $l = pack("QQ",100,1000); print "GOT\\n" if syscall(302,$ENV{HOSTPID}+0,7,$l,0) == 0',
  ),
  perl("slow a process down", 'print "GOT\\n" if setpriority(0,$ENV{HOSTPID},19)'),
  perl(
    "pin a process to a core",
    'my $m = pack("Q",1); print "GOT\\n" if syscall(203,$ENV{HOSTPID}+0,8,$m) == 0',
  ),
  perl("signal a group of processes", 'print "GOT\\n" if kill 0, -$ENV{HOSTPID}'),
];

/** Everything that is tried at level `process` beside the shared attempts that are marked so. */
export const PROCESS_ATTEMPTS: readonly EscapeAttempt[] = [...ENVIRONMENT, ...HOMES, ...OTHERS];

/** What lifts a limit: tried in a workspace that has limits of 256 open files and 20 MB a file. */
export const LIFT_ATTEMPTS: readonly EscapeAttempt[] = [
  { name: "limit: more open files by ulimit", script: "ulimit -n 4000 && echo GOT" },
  {
    name: "limit: the parent's raised by a child",
    script: "prlimit --pid $$ --nofile=4000:4000 && [ $(ulimit -n) = 4000 ] && echo GOT",
  },
  { name: "limit: larger files by ulimit", script: "ulimit -f unlimited && echo GOT" },
  { name: "limit: core dumps", script: "ulimit -c unlimited && echo GOT" },
  {
    name: "limit: raised in a user namespace",
    script: "unshare -Ur sh -c 'ulimit -n 4000' && echo GOT",
  },
];

/** Leaves its session, its parents and its environment, and does what the variant says; the file grows as long as it lives. */
function orphan(name: string, code: string): EscapeAttempt {
  const file = `orphan-${name.replaceAll(" ", "-")}`;
  // Where nothing ends them they end with the folder.
  const rest = 'sub rest { -e "file" or exit; select undef, undef, undef, 0.02 }';
  const beat = `sub beat { rest(); open F, ">>", "${file}"; print F "x"; close F }`;
  const body = `${rest} ${beat} fork and exit; ${code}; beat() while 1`;
  const start = `exec env -i PATH=/usr/bin:/bin setsid perl -e '${body}'`;
  return {
    name: file,
    script: `(${start}) >/dev/null 2>&1 & for i in $(seq 200); do [ -s ${file} ] && break; sleep 0.05; done`,
  };
}

/** Processes that try to outlive the workspace. Each is the name of a file, which grows as long as the process lives. */
export const ORPHAN_ATTEMPTS: readonly EscapeAttempt[] = [
  orphan("plain", "1"),
  orphan("ignores signals", "$SIG{$_} = q(IGNORE) for qw(HUP INT TERM QUIT USR1 USR2 ALRM)"),
  orphan("forgets its parent", "syscall 157, 1, 0, 0, 0, 0"),
  orphan("keeps its children", "syscall 157, 36, 1, 0, 0, 0; if (fork) { rest() while 1 } fork and exit"),
  orphan("is a sibling of its parent", "syscall 56, 0x8000 | 17, 0, 0, 0, 0 and syscall 60, 0"),
  orphan("is in a namespace of its own", "syscall 272, 0x30000000; if (fork) { rest() while 1 }"),
  orphan("is never the same", "while (1) { beat(); fork and exit }"),
  orphan(
    "has lost its first thread",
    "require threads; threads->create(sub { beat() while 1 })->detach; syscall 60, 0",
  ),
  orphan(
    "is traced by another",
    "my $p = fork; if ($p) { syscall 101, 16, $p, 0, 0; waitpid $p, 0; syscall 101, 7, $p, 0, 0; rest() while 1 }",
  ),
];
