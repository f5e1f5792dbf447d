# System calls for the two programs of the sandbox, which `require` it. docs/decisions/0007-sandbox.md says why they are Perl: it is on
# every machine that has git, starts in 2 ms and can make any system call. No modules, not even `strict`, for each costs a
# millisecond: sandbox-programs.test.ts compiles all of this with `strict` and `warnings` instead. Everything that can fail ends the
# program with one line on standard error: nothing runs half-isolated.
our $machine = do { my $b = "\0" x 400; syscall((is_arm() ? 160 : 63), $b); unpack 'Z*', substr $b, 4 * 65, 65 };
our %NR = $machine eq 'x86_64'
  ? (mount => 165, umount2 => 166, pivot_root => 155, unshare => 272, setns => 308, prctl => 157, sethostname => 170,
     capset => 126, seccomp => 317, prlimit => 302, close_range => 436, mount_setattr => 442, setgroups => 116)
  : $machine eq 'aarch64'
  ? (mount => 40, umount2 => 39, pivot_root => 41, unshare => 97, setns => 268, prctl => 167, sethostname => 161,
     capset => 91, seccomp => 277, prlimit => 261, close_range => 436, mount_setattr => 442, setgroups => 159)
  : fail("no system call numbers for this machine: $machine");

sub NEWNS () { 0x20000 }
sub NEWUTS () { 0x4000000 }
sub NEWIPC () { 0x8000000 }
sub NEWUSER () { 0x10000000 }
sub NEWPID () { 0x20000000 }
sub NEWNET () { 0x40000000 }
sub MS_BIND () { 4096 }
sub MS_REC () { 16384 }
sub MS_PRIVATE () { 1 << 18 }
sub MS_NOSUID () { 2 }
sub MS_NODEV () { 4 }
sub MS_NOEXEC () { 8 }
sub ATTR_RDONLY () { 1 }
sub ATTR_NOSUID () { 2 }
sub ATTR_NODEV () { 4 }
sub AT_RECURSIVE () { 0x8000 }
sub MNT_DETACH () { 2 }
sub is_arm { return -e '/lib/ld-linux-aarch64.so.1' || -e '/lib/ld-musl-aarch64.so.1' }
sub fail { my ($what) = @_; syswrite STDERR, "sandbox: $what\n"; exit 125 }
sub call { my ($name, @args) = @_; my $r = syscall($NR{$name}, @args); return $r; }
sub must { my ($what, $name, @args) = @_; my $r = call($name, @args); fail("$what: $!") if $r == -1; return $r; }
sub write_file {
  my ($path, $text) = @_;
  open my $file, '>', $path or fail("$path: $!");
  (syswrite($file, $text) // -1) == length $text or fail("$path: $!");
  close $file;
}

1;
