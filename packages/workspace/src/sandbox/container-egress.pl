# Opens the way out in the network of a container: `container-egress.pl PID PORT SOCKET` prints "ready", and ends with whoever started it.
BEGIN { (my $folder = $0) =~ s{[^/]*$}{}; require "${folder}sandbox-calls.pl"; require "${folder}sandbox-egress.pl" }
our %NR;

sub main_egress {
  my ($pid, $port, $socket) = @_;
  (my $parent = $socket) =~ s{/[^/]*$}{};
  (my $name = $socket) =~ s{.*/}{};
  chdir $parent or fail("$parent: $!");
  my ($own, $theirs) = map { readlink "/proc/$_/ns/user" } 'self', $pid;
  open my $network, '<', "/proc/$pid/ns/net" or fail("network of the container: $!");
  # A container of an engine that is not root's has its network in a user namespace, in which who made it may do all.
  if (defined $theirs && $own ne $theirs) {
    open my $users, '<', "/proc/$pid/ns/user" or fail("users of the container: $!");
    must('enter the users of the container', 'setns', fileno $users, 0);
  }
  must('enter the network of the container', 'setns', fileno $network, 0);
  my $server = open_egress($port);
  must('parent', 'prctl', 1, 9, 0, 0, 0);
  syswrite STDOUT, "ready\n";
  must('quiet', 'close_range', 0, 2, 0);
  serve_egress($server, $name);
}

main_egress(@ARGV);
