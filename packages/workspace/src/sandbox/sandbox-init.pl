# Makes a sandbox: `sandbox-init.pl HOLDER ROOT UID GID PORT SOCKET STEPS...` prints "sandbox PID" once all is made.
BEGIN { (my $folder = $0) =~ s{[^/]*$}{}; require "${folder}sandbox-calls.pl"; require "${folder}sandbox-egress.pl" }
our %NR;

my %made;

sub make_parents {
  my ($path) = @_;
  return if $made{$path}++;
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
    # What was made below is covered now.
    %made = ();
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

# Goes to where the workspace is mounted: into the holder's namespaces. What is forked then is in its process namespace.
sub enter_holder {
  my ($holder) = @_;
  my @files = map { open my $file, '<', "/proc/$holder/ns/$_" or fail("the workspace has ended ($_: $!)"); $file } qw(mnt pid);
  must('enter the workspace', 'setns', fileno $_, 0) for @files;
  chdir '/' or fail("chdir /: $!");
  # Whoever is forked here is in the process namespace, but what that one forks also has its parent there, and so is reaped there.
  my $pid = fork // fail("fork: $!");
  return if !$pid;
  waitpid $pid, 0;
  exit($? >> 8 || ($? ? 125 : 0));
}

# HOLDER is "-" for a process that is there already.
sub main_init {
  my ($holder, $root, $uid, $gid, $port, $socket, @steps) = @_;
  enter_holder($holder) if $holder ne '-';
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
  $server = open_egress($port) if $folder;
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

main_init(@ARGV);
