# The way out of a network that has only its own loopback: for sandbox-init.pl and container-egress.pl, which `require` it.

# Listens on the loopback of the network that this process is in.
sub open_egress {
  my ($port) = @_;
  socket my $server, 2, 1, 0 or fail("socket: $!");
  setsockopt $server, 1, 2, 1;
  bind $server, pack('SnC4x8', 2, $port, 127, 0, 0, 1) or fail("egress port: $!");
  listen $server, 128 or fail("listen: $!");
  return $server;
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

# Hands connections to the egress proxy, which is the only way out. Run in the network of the sandbox, outside of its process namespace.
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

1;
