# The two small programs of the sandbox: `init` makes one, `enter` starts a process in it. docs/decisions/0007-sandbox.md says
# why they are Perl: it is on every machine that has git, starts in 2 ms and can make any system call. No modules: each costs
# milliseconds. Everything that can fail ends the program with one line on standard error: nothing runs half-isolated.
use strict;
use warnings;

my $machine = do { my $b = "\0" x 400; syscall((is_arm() ? 160 : 63), $b); unpack 'Z*', substr $b, 4 * 65, 65 };
my %NR = $machine eq 'x86_64'
  ? (mount => 165, umount2 => 166, pivot_root => 155, unshare => 272, setns => 308, prctl => 157, sethostname => 170,
     capset => 126, seccomp => 317, prlimit => 302, close_range => 436, mount_setattr => 442, setgroups => 116)
  : $machine eq 'aarch64'
  ? (mount => 40, umount2 => 39, pivot_root => 41, unshare => 97, setns => 268, prctl => 167, sethostname => 161,
     capset => 91, seccomp => 277, prlimit => 261, close_range => 436, mount_setattr => 442, setgroups => 159)
  : fail("no system call numbers for this machine: $machine");

use constant { NEWNS => 0x20000, NEWUTS => 0x4000000, NEWIPC => 0x8000000, NEWUSER => 0x10000000,
  NEWPID => 0x20000000, NEWNET => 0x40000000, MS_BIND => 4096, MS_REC => 16384, MS_PRIVATE => 1 << 18,
  MS_NOSUID => 2, MS_NODEV => 4, MS_NOEXEC => 8, ATTR_RDONLY => 1, ATTR_NOSUID => 2, ATTR_NODEV => 4,
  AT_RECURSIVE => 0x8000, MNT_DETACH => 2 };

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

sub make_parents {
  my ($path) = @_;
  my $at = '';
  for my $part (split m{/}, $path) {
    next if $part eq '';
    $at .= "/$part";
    mkdir ".$at", 0755;
  }
}

# A place for a mount, relative to the new root, which is the working directory.
sub make_place {
  my ($path, $is_folder) = @_;
  return if lstat ".$path";
  (my $parent = $path) =~ s{/[^/]*$}{};
  make_parents($parent);
  if ($is_folder) { mkdir ".$path", 0755 or fail("mkdir $path: $!"); return }
  open my $file, '>', ".$path" or fail("create $path: $!");
  close $file;
}

sub set_attributes {
  my ($path, $set) = @_;
  my $attributes = pack 'QQQQ', $set, 0, 0, 0;
  must("restrict $path", 'mount_setattr', -100, ".$path", AT_RECURSIVE, $attributes, length $attributes);
}

sub bind_path {
  my ($source, $path, $set) = @_;
  make_place($path, -d $source);
  must("show $path", 'mount', $source, ".$path", 0, MS_BIND | MS_REC, 0);
  set_attributes($path, $set);
}

my %STEPS = (
  ro => sub { bind_path(@_, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV) },
  rw => sub { bind_path(@_, ATTR_NOSUID | ATTR_NODEV) },
  dev => sub { bind_path(@_, ATTR_NOSUID) },
  tmpfs => sub {
    my ($options, $path) = @_;
    make_place($path, 1);
    must("tmpfs $path", 'mount', 'tmpfs', ".$path", 'tmpfs', MS_NOSUID | MS_NODEV, $options);
  },
  # A cache that cannot be shown is not there: nothing depends on it but time.
  overlay => sub {
    my ($options, $path) = @_;
    make_place($path, 1);
    call('mount', 'overlay', ".$path", 'overlay', MS_NOSUID | MS_NODEV, $options);
  },
  devpts => sub {
    my ($options, $path) = @_;
    make_place($path, 1);
    must("devpts $path", 'mount', 'devpts', ".$path", 'devpts', MS_NOSUID | MS_NOEXEC, $options);
  },
  proc => sub {
    my (undef, $path) = @_;
    make_place($path, 1);
    must('proc', 'mount', 'proc', ".$path", 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  },
  # Hides what is there; what is not there needs no hiding.
  mask => sub {
    my (undef, $path) = @_;
    return unless lstat ".$path";
    if (-d _) {
      must("hide $path", 'mount', 'tmpfs', ".$path", 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC | 1, 'size=0,nr_inodes=1,mode=0555');
    } elsif (!-l _) {
      must("hide $path", 'mount', '/dev/null', ".$path", 0, MS_BIND, 0);
    }
  },
  still => sub {
    my (undef, $path) = @_;
    return unless -e ".$path";
    must("fix $path", 'mount', ".$path", ".$path", 0, MS_BIND | MS_REC, 0);
    set_attributes($path, ATTR_RDONLY);
  },
  seal => sub { set_attributes($_[1], ATTR_RDONLY) },
  dir => sub { make_parents($_[1]) },
  link => sub {
    my ($target, $path) = @_;
    (my $parent = $path) =~ s{/[^/]*$}{};
    make_parents($parent);
    symlink $target, ".$path" or fail("link $path: $!");
  },
  file => sub { my ($text, $path) = @_; make_place($path, 0); write_file(".$path", $text) },
);

sub bring_loopback_up {
  socket my $socket, 2, 2, 0 or fail("socket: $!");
  my $request = pack 'a16sx22', 'lo', 0x41;
  ioctl $socket, 0x8914, $request or fail("loopback: $!");
}

# Process 1 of the sandbox: mounts, leaves every privilege over the mounts by a last user namespace, then only reaps.
sub run_first_process {
  my ($ready, $spec) = @_;
  must('root', 'mount', 'none', '/', 0, MS_REC | MS_PRIVATE, 0);
  must('new root', 'mount', 'tmpfs', $spec->{root}, 'tmpfs', MS_NOSUID | MS_NODEV, 'size=4m,mode=0755');
  chdir $spec->{root} or fail("chdir: $!");
  my @steps = @{ $spec->{steps} };
  while (my ($kind, $from, $path) = splice @steps, 0, 3) {
    my $step = $STEPS{$kind} or fail("unknown step $kind");
    $step->($from, $path);
  }
  must('pivot', 'pivot_root', '.', '.');
  must('old root', 'umount2', '.', MNT_DETACH);
  chdir '/' or fail("chdir /: $!");
  my $attributes = pack 'QQQQ', ATTR_RDONLY, 0, 0, 0;
  must('read-only root', 'mount_setattr', -100, '/', 0, $attributes, length $attributes);
  must('host name', 'sethostname', 'sandbox', 7);
  my ($outer_user, $outer_group) = ($>, $) + 0);
  must('user namespace', 'unshare', NEWUSER);
  write_file('/proc/self/setgroups', 'deny');
  write_file('/proc/self/uid_map', "$spec->{uid} $outer_user 1\n");
  write_file('/proc/self/gid_map', "$spec->{gid} $outer_group 1\n");
  # Not readable by processes of the same user, so that nobody inside can take this one over.
  must('not dumpable', 'prctl', 4, 0, 0, 0, 0);
  must('no new privileges', 'prctl', 38, 1, 0, 0, 0);
  syswrite $ready, "ready\n";
  close $ready;
  $0 = 'canopy-sandbox';
  must('close', 'close_range', 0, 0xffffffff, 0);
  $SIG{CHLD} = sub { 1 while waitpid(-1, 1) > 0 };
  sleep 60 while 1;
}

# Carries bytes between two sockets until both have ended.
sub relay {
  my ($left, $right) = @_;
  my %peer = (fileno($left) => [$left, $right], fileno($right) => [$right, $left]);
  while (%peer) {
    my $want = '';
    vec($want, $_, 1) = 1 for keys %peer;
    select(my $got = $want, undef, undef, undef) >= 0 or next;
    for my $number (keys %peer) {
      next unless vec $got, $number, 1;
      my ($from, $to) = @{ $peer{$number} };
      my $count = sysread $from, my $bytes, 65536;
      if (!$count) { shutdown $to, 1; delete $peer{$number}; next }
      for (my $sent = 0; $sent < $count;) {
        my $written = syswrite $to, $bytes, $count - $sent, $sent;
        exit 0 unless defined $written;
        $sent += $written;
      }
    }
  }
}

# Outside the sandbox's process namespace but in its network: hands connections to the egress proxy, which is the only way out.
sub serve_egress {
  my ($server, $socket_path) = @_;
  my $count = 0;
  $SIG{CHLD} = sub { $count-- while waitpid(-1, 1) > 0 };
  $SIG{PIPE} = 'IGNORE';
  while (1) {
    accept my $client, $server or next;
    if ($count >= 256) { close $client; next }
    my $pid = fork;
    if (!defined $pid) { close $client; next }
    if ($pid) { $count++; close $client; next }
    close $server;
    socket my $proxy, 1, 1, 0 or exit 1;
    connect $proxy, pack 'SZ108', 1, $socket_path or exit 1;
    relay($client, $proxy);
    exit 0;
  }
}

# init ROOT UID GID PORT SOCKET STEPS...   prints "sandbox PID" once all is made.
sub main_init {
  my ($root, $uid, $gid, $port, $socket, @steps) = @_;
  pipe my $read, my $write or fail("pipe: $!");
  my $keeper = fork // fail("fork: $!");
  if ($keeper) {
    close $write;
    my $line = <$read> // '';
    $line =~ /^sandbox \d+$/ or exit 125;
    syswrite STDOUT, $line;
    exit 0;
  }
  close $read;
  my $folder;
  if ($socket ne '') {
    (my $parent = $socket) =~ s{/[^/]*$}{};
    opendir $folder, $parent or fail("$parent: $!");
  }
  must('namespaces', 'unshare', NEWNS | NEWIPC | NEWUTS | NEWPID | ($port eq 'host' ? 0 : NEWNET));
  bring_loopback_up() if $port ne 'host';
  my $server;
  if ($folder) {
    socket $server, 2, 1, 0 or fail("socket: $!");
    setsockopt $server, 1, 2, 1;
    bind $server, pack('SnC4x8', 2, $port, 127, 0, 0, 1) or fail("egress port: $!");
    listen $server, 128 or fail("listen: $!");
  }
  pipe my $made, my $making or fail("pipe: $!");
  my $first = fork // fail("fork: $!");
  if (!$first) {
    close $made;
    close $server if $server;
    closedir $folder if $folder;
    run_first_process($making, { root => $root, uid => $uid, gid => $gid, steps => \@steps });
  }
  close $making;
  my $line = <$made> // '';
  if ($line ne "ready\n") { waitpid $first, 0; exit 125 }
  syswrite $write, "sandbox $first\n";
  close $write;
  must('quiet', 'close_range', 0, 2, 0);
  if ($folder) {
    # The folder is reached as the working directory: its path leads nowhere in the files of the sandbox.
    (my $name = $socket) =~ s{.*/}{};
    chdir $folder or fail("chdir: $!");
    serve_egress($server, $name);
  }
  waitpid $first, 0;
  exit 0;
}

# enter HOLDER FIRST USERNS CGROUPS LIMITS FILTER CWD COMMAND...
sub main_enter {
  my ($holder, $first, $with_user, $cgroups, $limits, $filter, $cwd, @command) = @_;
  my $proc = "/proc/$holder/root/proc/$first/ns";
  my @names = ($with_user ? ("/proc/$holder/ns/user") : (), map { "$proc/$_" } qw(ipc uts net pid mnt user));
  my @files = map { open my $file, '<', $_ or fail("the sandbox has ended ($_: $!)"); $file } @names;
  write_file($_, '0') for split /:/, $cgroups;
  syscall($NR{setgroups}, 0, 0) if $> == 0 && !$with_user;
  must('enter', 'setns', fileno $_, 0) for @files;
  must('parent', 'prctl', 1, 9, 0, 0, 0);
  my $pid = fork // fail("fork: $!");
  if ($pid) {
    must('quiet', 'close_range', 0, 1, 0);
    waitpid $pid, 0;
    my ($signal, $code) = ($? & 127, $? >> 8);
    if ($signal) { $SIG{$_} = 'DEFAULT' for qw(INT TERM PIPE); kill $signal, $$; sleep 5 }
    exit $code;
  }
  chdir $cwd or fail("chdir $cwd: $!");
  must('close', 'close_range', 3, 0xffffffff, 0);
  umask 022;
  for (split /,/, $limits) {
    my ($number, $value) = split /=/;
    must("limit $number", 'prlimit', 0, $number + 0, pack('QQ', $value, $value), 0);
  }
  call('prctl', 47, 4, 0, 0, 0);
  for my $capability (0 .. 63) { last if call('prctl', 24, $capability, 0, 0, 0) == -1 }
  must('no new privileges', 'prctl', 38, 1, 0, 0, 0);
  must('capabilities', 'capset', pack('LL', 0x20080522, 0), pack('L6', (0) x 6));
  my $code = pack 'H*', $filter;
  my $program = pack 'SxxxxxxP', length($code) / 8, $code;
  must('seccomp', 'seccomp', 1, 0, $program);
  must('parent', 'prctl', 1, 9, 0, 0, 0);
  if ($command[0] eq '--signal-all') { kill $command[1], -1; exit 0 }
  for (grep { /^CANOPY_KEPT_/ } keys %ENV) { $ENV{ substr $_, 12 } = delete $ENV{$_} }
  exec { $command[0] } @command or fail("$command[0]: $!");
}

my $mode = shift @ARGV // '';
$mode eq 'init' ? main_init(@ARGV) : $mode eq 'enter' ? main_enter(@ARGV) : fail('usage: init | enter');
