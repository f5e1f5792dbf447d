/** One try to get out of a sandbox, or to see what it hides. */
export interface EscapeAttempt {
  readonly name: string;
  /** A shell script that prints `GOT` when the try worked. `$OUT`: a folder of the host; `$PORT`: a server there. */
  readonly script: string;
  /** Works at level `none` only for root, so an ordinary user does not try it. */
  readonly needsRoot?: true;
  /** Level `process` blocks it too. */
  readonly isProcess?: true;
}

const read = (name: string, path: string): EscapeAttempt => ({
  name: `read ${name}`,
  script: `cat "${path}" >/dev/null && echo GOT`,
});
const perl = (name: string, code: string, needsRoot?: true): EscapeAttempt => ({
  name,
  script: `perl -e '${code}'`,
  ...(needsRoot === undefined ? {} : { needsRoot }),
});
/** Blocked wherever there is a process namespace. */
const ofOthers = (attempt: EscapeAttempt): EscapeAttempt => ({ ...attempt, isProcess: true });
const root = (name: string, script: string): EscapeAttempt => ({ name, script, needsRoot: true });

const FILES: readonly EscapeAttempt[] = [
  read("a file outside", "$OUT/secret"),
  { name: "list a folder outside", script: 'ls "$OUT" | grep -q secret && echo GOT' },
  { name: "write a file outside", script: 'echo x > "$OUT/written" && echo GOT' },
  { name: "append to a file outside", script: 'echo x >> "$OUT/open-to-all" && echo GOT' },
  { name: "make a folder outside", script: 'mkdir "$OUT/folder" && echo GOT' },
  { name: "remove a file outside", script: 'rm "$OUT/doomed" && echo GOT' },
  { name: "rename a file outside", script: 'mv "$OUT/movable" "$OUT/moved" && echo GOT' },
  { name: "change the mode of a file outside", script: 'chmod 777 "$OUT/own" && echo GOT' },
  {
    name: "read through a symbolic link",
    script: 'ln -s "$OUT/secret" ./l1 && cat l1 >/dev/null && echo GOT',
  },
  {
    name: "read through a link to a folder",
    script: 'ln -s "$OUT" ./l2 && cat l2/secret >/dev/null && echo GOT',
  },
  {
    name: "write through a symbolic link",
    script: 'ln -s "$OUT/open-to-all" ./l3 && echo x >> l3 && echo GOT',
  },
  {
    name: "read with dots",
    script: 'cat "../../../../../../../../../../../../..$OUT/secret" >/dev/null && echo GOT',
  },
  { name: "read through /proc/self/root", script: 'cat "/proc/self/root$OUT/secret" >/dev/null && echo GOT' },
  ofOthers({
    name: "read through /proc/1/root",
    script: 'cat "/proc/$HOSTPID/root$OUT/secret" >/dev/null && echo GOT',
  }),
  ofOthers({
    name: "read through another's cwd",
    script: 'cat "/proc/$HOSTPID/cwd/secret" >/dev/null && echo GOT',
  }),
  { name: "hard link from outside", script: 'ln "$OUT/own" "$OUT/linked" && echo GOT' },
  {
    name: "a tar of outside",
    script: 'tar cf - "$OUT/secret" 2>/dev/null | grep -q canary-outside && echo GOT',
  },
  {
    name: "git reads a repository outside",
    script: 'git -c safe.directory=* -C "$OUT/repository" log -1 >/dev/null && echo GOT',
  },
  {
    name: "plant a hook in the user's repository",
    script: 'echo x > "$OUT/repository/.git/hooks/post-commit" && echo GOT',
  },
  {
    name: "change the user's git configuration",
    script: 'git -c safe.directory=* -C "$OUT/repository" config core.pager evil && echo GOT',
  },
  {
    name: "move a branch of the user's",
    script: 'git -c safe.directory=* -C "$OUT/repository" update-ref refs/heads/evil HEAD && echo GOT',
  },
];

const SYSTEM: readonly EscapeAttempt[] = [
  root("read /etc/shadow", "cat /etc/shadow >/dev/null && echo GOT"),
  root("write into /usr", "touch /usr/canopy-escape && rm /usr/canopy-escape && echo GOT"),
  root("write into /etc", "touch /etc/canopy-escape && rm /etc/canopy-escape && echo GOT"),
  root("write into /opt", "touch /opt/canopy-escape && rm /opt/canopy-escape && echo GOT"),
  root("append to /etc/passwd", "sh -c ': >> /etc/passwd' && echo GOT"),
  root("mount a tmpfs", "mkdir -p m && mount -t tmpfs x m && umount m && echo GOT"),
  root("bind mount", "mkdir -p b && mount --bind /etc b && umount b && echo GOT"),
  root(
    "overlay of the system",
    "mkdir -p o x/u x/w && mount -t overlay x -o lowerdir=/etc,upperdir=x/u,workdir=x/w o && umount o && echo GOT",
  ),
  root(
    "remount the system writable",
    "mkdir -p r && mount --bind /usr r && mount -o remount,bind,rw r && umount r && echo GOT",
  ),
  root("unshare mounts", "unshare -m true && echo GOT"),
  root("unshare the network", "unshare -n true && echo GOT"),
  { name: "a user namespace", script: "unshare -Ur true && echo GOT" },
  {
    name: "mount in a user namespace",
    script: "mkdir -p um && unshare -Urm mount -t tmpfs x um && echo GOT",
  },
  root("chroot", "chroot / true && echo GOT"),
  root("make a device node", 'mknod "$TMPDIR/n" c 1 3 && echo GOT'),
  root(
    "read a disk",
    "for d in /dev/vda /dev/sda /dev/nvme0n1 /dev/loop0 /dev/vdb /dev/kmsg; do [ -e $d ] && head -c 1 $d >/dev/null 2>&1 && echo GOT && break; done",
  ),
  root("read kernel messages", "dmesg >/dev/null && echo GOT"),
  root(
    "change a kernel setting",
    "v=$(cat /proc/sys/vm/swappiness) && echo $v > /proc/sys/vm/swappiness && echo GOT",
  ),
  root("read kernel memory map", "[ $(head -c 40 /proc/kallsyms | wc -c) -gt 0 ] && echo GOT"),
  root("see the control groups", "ls /sys/fs/cgroup | grep -q . && echo GOT"),
  root("change the host's name", 'n=$(hostname) && hostname "$n" && echo GOT'),
  root("a capability", "[ $(grep CapEff /proc/self/status | cut -f2) != 0000000000000000 ] && echo GOT"),
  root("lower a nice value", "nice -n -5 true 2>&1 | grep -q . || echo GOT"),
  root("become another user", "setpriv --reuid 65534 --clear-groups true && echo GOT"),
  ofOthers(root("enter process 1's namespaces", "nsenter -t $HOSTPID -m true && echo GOT")),
  root("change the owner", 'touch "$TMPDIR/c" && chown 12345 "$TMPDIR/c" && echo GOT'),
  {
    name: "plant a set-user-id program",
    script: 'cp /bin/true "$TMPDIR/s" && chmod 4755 "$TMPDIR/s" && echo GOT',
  },
];

// Numbers of system calls on x86-64: these run where the suite does.
const CALLS: readonly EscapeAttempt[] = [
  perl("io_uring", 'my $p="\\0"x120; print "GOT\\n" if syscall(425,4,$p) >= 0'),
  perl("the keyring", 'print "GOT\\n" if syscall(248,my $t="user",my $d="canopy",my $v="x",1,-2) > 0'),
  perl("read a keyring", 'print "GOT\\n" if syscall(250,0,-2,1) > 0'),
  perl(
    "a perf counter",
    'my $a=pack("LLQQQQQ",1,112,0,0,0,0,1|32|64)."\\0"x64; print "GOT\\n" if syscall(298,$a,0,-1,-1,0) >= 0',
    true,
  ),
  perl(
    "a bpf program",
    'my $a=pack("LLLL",2,4,4,1)."\\0"x112; print "GOT\\n" if syscall(321,0,$a,128) >= 0',
    true,
  ),
  perl("userfaultfd", 'print "GOT\\n" if syscall(323,1) >= 0'),
  perl("a new mount interface", 'my $n="tmpfs"; print "GOT\\n" if syscall(430,$n,0) >= 0', true),
  perl("a detached copy of the mounts", 'my $n="/"; print "GOT\\n" if syscall(428,-100,$n,1) >= 0', true),
  perl(
    "a handle of a file",
    'my $n="/"; my $h=pack("Ll",64,0).("\\0"x64); my $m=pack("l",0); print "GOT\\n" if syscall(303,-100,$n,$h,$m,0) >= 0',
  ),
  perl(
    "clone3 with namespaces",
    'my $a=pack("Q11",0x10000000,0,0,0,17,0,0,0,0,0,0); my $p=syscall(435,$a,88); if ($p == 0) { syscall(60,0) } print "GOT\\n" if $p > 0',
  ),
  perl("a vsock", 'print "GOT\\n" if socket(my $s,40,1,0)'),
  perl("a packet socket", 'print "GOT\\n" if socket(my $s,17,3,0)', true),
  perl("a raw socket", 'print "GOT\\n" if socket(my $s,2,3,1)', true),
  ofOthers(perl("signal a process of the host", 'print "GOT\\n" if kill 0, $ENV{HOSTPID}')),
  ofOthers(
    perl(
      "trace a process of the host",
      'print "GOT\\n" if syscall(101,16,$ENV{HOSTPID}+0,0,0) == 0 and (syscall(101,17,$ENV{HOSTPID}+0,0,0), 1)',
    ),
  ),
  ofOthers(
    perl("a descriptor of a process of the host", 'print "GOT\\n" if syscall(434,$ENV{HOSTPID}+0,0) >= 0'),
  ),
];

const PROCESSES: readonly EscapeAttempt[] = [
  {
    name: "see a process of the host",
    script: '[ "$(tr "\\0" " " < /proc/$HOSTPID/cmdline)" = "sleep 4321 " ] && echo GOT',
    isProcess: true,
  },
  {
    name: "read the environment of a process of the host",
    script: "grep -q canary-environment /proc/$HOSTPID/environ && echo GOT",
    isProcess: true,
  },
  {
    name: "read the descriptors of a process of the host",
    script: "ls -l /proc/$HOSTPID/fd | grep -q null && echo GOT",
    isProcess: true,
  },
  {
    name: "read through a descriptor that a process of the host has open",
    script: "grep -q canary-outside /proc/$HOSTPID/fd/3 && echo GOT",
    isProcess: true,
  },
  {
    name: "the environment of who started Canopy",
    script: '[ "$CANARY_ENVIRONMENT" = canary-environment ] && echo GOT',
    isProcess: true,
  },
  {
    name: "a key in the environment",
    script: "env | grep -q canary-key && echo GOT",
    isProcess: true,
  },
  {
    name: "the agent of the person's ssh keys",
    script: '[ -S "$SSH_AUTH_SOCK" ] && echo GOT',
    isProcess: true,
  },
  {
    name: "the home of the person by its variable",
    script: 'grep -q ordinary "$HOME/ordinary" && echo GOT',
    isProcess: true,
  },
];

const curl = (name: string, options: string): EscapeAttempt => ({
  name,
  script: `curl --noproxy '*' -sS -m 5 ${options} | grep -q canary-server && echo GOT`,
});

/** Asks by way of the proxy where there is one. */
const throughProxy = (name: string, options: string): EscapeAttempt => ({
  name: `through the proxy: ${name}`,
  script: `curl -sS -m 5 \${http_proxy:+-x "$http_proxy" --noproxy ""} ${options} | grep -q canary-server && echo GOT`,
});

const NETWORK: readonly EscapeAttempt[] = [
  curl("the host's loopback", "http://127.0.0.1:$PORT/"),
  curl("the host's loopback by name", "http://localhost:$PORT/"),
  curl("the host's loopback by IPv6", "http://[::1]:$PORT6/"),
  curl("the host's own address", "http://$ADDRESS:$PORT/"),
  curl("the host's loopback by another address", "http://127.9.9.9:$PORT/"),
  curl("the host's loopback as zero", "http://0.0.0.0:$PORT/"),
  curl("a socket of the host", '--unix-socket "$OUT/daemon.sock" http://x/'),
  curl("an abstract socket of the host", "--abstract-unix-socket canopy-escape-$PORT http://x/"),
  {
    name: "the proxy leads to the host's loopback",
    script:
      'curl -sS -m 5 http://127.0.0.1:$PORT/ ${http_proxy:+-x "$http_proxy" --noproxy ""} | grep -q canary-server && echo GOT',
  },
  {
    name: "CONNECT to the host's loopback",
    script:
      'curl -sS -m 5 ${http_proxy:+-p -x "$http_proxy" --noproxy ""} http://127.0.0.1:$PORT/ | grep -q canary-server && echo GOT',
  },
  {
    name: "CONNECT to another port of a host on the list",
    script:
      'curl -sS -m 5 ${http_proxy:+-p -x "$http_proxy" --noproxy ""} http://localhost:$PORT/ | grep -q canary-server && echo GOT',
  },
  {
    name: "a name that leads to loopback",
    script:
      'curl -sS -m 5 ${http_proxy:+-x "$http_proxy" --noproxy ""} http://localhost:$PORT/private | grep -q canary-server && echo GOT',
  },
  ...["$ADDRESS", "127.0.0.1"].map((address) => ({
    name: `a tunnel of DNS questions to ${address}`,
    script: `perl -e 'alarm 2; socket(my $s,2,2,0); send($s,"exfiltrated",0,pack("SnC4x8",2,$ENV{UDPPORT},split(/\\./,"${address}"))) or exit 1; recv($s,my $a,99,0); print "GOT\\n" if $a eq "canary-answer"'`,
  })),
  throughProxy("a host that is not on the list", "http://$ADDRESS:$OTHERPORT/"),
  throughProxy("CONNECT to another port of an address on the list", "-p http://$ADDRESS:$OTHERPORT/"),
  throughProxy("a redirect to what is not on the list", "-L http://$ADDRESS:$PORT/redirect"),
  throughProxy("loopback as one number", "http://2130706433:$PORT/"),
  throughProxy("loopback in hexadecimal", "http://0x7f000001:$PORT/"),
  throughProxy("loopback in short", "http://127.1:$PORT/"),
  throughProxy("loopback as IPv6", "http://[::1]:$PORT6/"),
  throughProxy("loopback as IPv4 in IPv6", "http://[::ffff:127.0.0.1]:$PORT/"),
  {
    name: "a raw request that names one host and means another",
    script: `perl -MIO::Socket::INET -e 'my ($h,$p) = $ENV{http_proxy} ? ("127.0.0.1",3128) : ($ENV{ADDRESS},$ENV{OTHERPORT}); my $s = IO::Socket::INET->new(PeerAddr=>$h,PeerPort=>$p) or exit 1; my $u = $ENV{http_proxy} ? "http://$ENV{ADDRESS}:$ENV{PORT}/redirect" : "/"; my $v = $ENV{http_proxy} ? "http://$ENV{ADDRESS}:$ENV{OTHERPORT}/" : "/"; print $s "GET $u HTTP/1.1\\r\\nHost: $ENV{ADDRESS}:$ENV{OTHERPORT}\\r\\n\\r\\nGET $v HTTP/1.1\\r\\nHost: $ENV{ADDRESS}:$ENV{PORT}\\r\\nConnection: close\\r\\n\\r\\n"; alarm 2; while (<$s>) { print "GOT\\n" and exit if /canary-server/ }'`,
  },
];

/** Everything that the suite tries. Secrets in usual places are tried beside these: see escape.e2e.test.ts. */
export const ESCAPE_ATTEMPTS: readonly EscapeAttempt[] = [
  ...FILES,
  ...SYSTEM,
  ...CALLS,
  ...PROCESSES,
  ...NETWORK,
];
