#!/bin/sh
# tool-bridge.sh NODE MAIN: carries MCP messages from standard input to a session's tool socket and the answers back, until input ends.
# perl starts in 5 ms where node needs 60; where there is none, node runs MAIN, which does the same.
if command -v perl >/dev/null 2>&1; then exec perl -x "$0"; fi
exec "$1" --no-warnings "$2"
#!perl
# No module is loaded, not even strict: it would be the larger part of the start.
$| = 1;
$SIG{PIPE} = 'IGNORE';
my ($path, $token) = @ENV{'CANOPY_TOOL_SOCKET', 'CANOPY_TOOL_TOKEN'};
if (!defined $path || !defined $token) {
  print STDERR "canopy mcp: this works inside a session that Canopy started (CANOPY_TOOL_SOCKET is not set)\n";
  exit 2;
}
# A path to a socket has at most 107 bytes; through its folder it is short however deep that is.
if (length $path > 99 && $path =~ m{^(.*)/([^/]+)$}) {
  ($folder, $path) = ($1, $2);
  chdir $folder;
}
# PF_UNIX and SOCK_STREAM are 1 on Linux.
my $address = pack 'Sa*x', 1, $path;
my ($input, $is_open, $version, $count) = ('', 1, undef, 0);
my %calls;

# The id of a message itself, not of anything in it, as JSON.
sub id_of {
  my ($text) = @_;
  my $depth = 0;
  while ($text =~ /("[^"\\]*+(?:\\.[^"\\]*+)*+")|([{\[])|([}\]])/gs) {
    if (defined $2) { $depth++ }
    elsif (defined $3) { $depth-- }
    elsif ($depth == 1 && $1 eq '"id"' && $text =~ /\G\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[\d.eE+-]+)/gcs) { return $1 }
  }
  return undef;
}

sub fail {
  my ($message, $why) = @_;
  my $id = id_of($message);
  return unless defined $id;
  $why = substr $why, 0, 500;
  $why =~ s/([\\"])/\\$1/g;
  $why =~ s/[\x00-\x1f\x7f]/ /g;
  print qq({"jsonrpc":"2.0","id":$id,"error":{"code":-32603,"message":"$why"}}\n);
}

sub send_message {
  my ($message) = @_;
  my $socket;
  if (!socket($socket, 1, 1, 0) || !connect($socket, $address)) {
    return fail($message, "canopy cannot be reached: $!");
  }
  my $request = "POST /mcp HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Type: application/json\r\n"
    . "Accept: application/json, text/event-stream\r\n"
    . (defined $version ? "Mcp-Protocol-Version: $version\r\n" : '')
    . 'Content-Length: ' . length($message) . "\r\n\r\n" . $message;
  my $sent = 0;
  while ($sent < length $request) {
    my $part = syswrite $socket, $request, length($request) - $sent, $sent;
    # It may have answered before it has read everything.
    last unless defined $part;
    $sent += $part;
  }
  my $number = fileno $socket;
  $calls{$number} = {socket => $socket, message => $message, answer => ''};
}

# The messages of an answer: one body, or the events of a stream.
sub split_body {
  my ($body) = @_;
  $body =~ s/^\s+//;
  $body =~ s/\s+$//;
  return () if $body eq '';
  return ($body) if $body =~ /^[{\[]/;
  my @found;
  for my $event (split /\r?\n\r?\n/, $body) {
    my $data = join '', map { /^data: *(.*)/s ? $1 : () } split /\r?\n/, $event;
    push @found, $data if $data ne '';
  }
  return @found;
}

sub finish {
  my ($call) = @_;
  my ($message, $answer) = @$call{'message', 'answer'};
  my ($status) = $answer =~ m{^HTTP/1\.\d (\d{3})};
  my $end = index $answer, "\r\n\r\n";
  return fail($message, 'canopy cannot be reached: it broke off') if !defined $status || $end < 0;
  my ($length) = substr($answer, 0, $end) =~ /^content-length:\s*(\d+)/im;
  my $body = substr $answer, $end + 4;
  return fail($message, 'canopy cannot be reached: it broke off') if defined $length && length $body < $length;
  my @answers = split_body($body);
  if ($status >= 400 && !grep { index($_, '"jsonrpc"') >= 0 } @answers) {
    return fail($message, "canopy answered $status: $body");
  }
  for my $text (@answers) {
    ($version) = $text =~ /"protocolVersion"\s*:\s*"([\w.-]+)"/ unless defined $version;
    $text =~ s/[\r\n]/ /g;
    print "$text\n";
  }
}

# What comes after the greeting must know its version.
sub take_lines {
  while (defined $version || !%calls) {
    my $end = index $input, "\n";
    return if $end < 0;
    my $line = substr $input, 0, $end + 1, '';
    chop $line;
    send_message($line) if $line =~ /\S/;
  }
}

while (1) {
  take_lines();
  last if !$is_open && !%calls;
  my $ready = '';
  vec($ready, 0, 1) = 1 if $is_open;
  vec($ready, $_, 1) = 1 for keys %calls;
  next if select($ready, undef, undef, undef) < 0;
  if ($is_open && vec $ready, 0, 1) {
    my $read = sysread STDIN, $input, 65536, length $input;
    if (!$read) {
      $is_open = 0;
      $input .= "\n" if $input =~ /\S/;
    }
  }
  for my $number (grep { vec $ready, $_, 1 } keys %calls) {
    my $call = $calls{$number};
    next if sysread $call->{socket}, $call->{answer}, 65536, length $call->{answer};
    delete $calls{$number};
    finish($call);
  }
}
__END__
