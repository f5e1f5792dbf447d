# Starts a process in a sandbox: `sandbox-enter.pl HOLDER FIRST USERNS CGROUPS LIMITS FILTER CWD COMMAND...`
BEGIN { (my $folder = $0) =~ s{[^/]*$}{}; require "${folder}sandbox-calls.pl" }
our %NR;

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

main_enter(@ARGV);
