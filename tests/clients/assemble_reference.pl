#!/usr/bin/env perl
# What the original assembler makes of fragments, for tests/fragments: real XML::Simple and real tar, in its order.
#
#   assemble_reference.pl list DIRECTORY HOST FORM     prints the list of a directory as the build machines' tools do;
#                                                      FORM: bare, undefined or inline
#   assemble_reference.pl assemble TARGET FRAGMENT...  assembles; prints what contradicts itself and then exits with 1
#
# It does what docs/differences.md says of the original, with two choices made that it leaves to chance or to its user: lists
# are read in the order of the arguments and archives unpacked in the other, so that the first fragment's files stand; and
# whoever runs it has a umask of 022 and is not root. An archive whose list is not called ./built.files.*.xml is taken
# nevertheless, with a word on standard error: the original ends there.
use strict;
use warnings;
use Digest::MD5;
use File::Find;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use XML::Simple;

umask 022;
# Names are bytes to perl. XML::Simple reads them as letters, and what it prints must be UTF-8 again.
binmode STDOUT, ':utf8';
my $word = shift // '';
if ($word eq 'list') { print_list(@ARGV) }
elsif ($word eq 'assemble') { assemble(@ARGV) }
else { die "list or assemble?\n" }

sub print_list {
    my ($dir, $host, $form) = @_;
    my @entries;
    my $take = sub {
        (my $path = $File::Find::name) =~ s{^\Q$dir\E/?}{};
        return if $path eq '' || $path =~ /^built\.files\./;
        my $entry = { fullname => $path, host => $host };
        utf8::decode($entry->{fullname});
        if (-l $_) { $entry->{type} = 'link' }
        elsif (-d _) { $entry->{type} = 'dir' }
        else {
            open my $file, '<:raw', $_ or die "$path: $!";
            $entry->{md5sum} = Digest::MD5->new->addfile($file)->hexdigest;
            $entry->{size} = -s $file;
            $entry->{type} = 'file';
        }
        if ($form eq 'undefined') { $entry->{$_} //= undef for qw(md5sum size) }
        push @entries, $entry;
    };
    find({ wanted => $take, no_chdir => 1, preprocess => sub { sort @_ } }, $dir);
    no warnings 'uninitialized';
    my $xml = XML::Simple->new(NoAttr => 0, AttrIndent => $form ne 'inline');
    print $xml->XMLout({ file => \@entries }, RootName => 'files',
        $form eq 'inline' ? () : (XMLDecl => '<?xml version="1.0" encoding="UTF-8"?>'));
}

sub assemble {
    my ($target, @fragments) = @_;
    my (%seen, @kept, @conflicts);
    for my $fragment (@fragments) {
        merge($_, \%seen, \@kept) for lists($fragment);
    }
    for my $path (sort grep { $seen{$_}{bad} } keys %seen) {
        push @conflicts, conflict($path, $seen{$path})
            unless $path eq 'descpkg' || $path =~ m{/version[^/]*\.h$};
    }
    if (@conflicts) {
        print "$_\n" for @conflicts;
        exit 1;
    }
    make_path($target);
    run('tar', '-xzmf', $_, '--no-same-permissions', '-C', $target) or die "cannot unpack $_\n" for reverse @fragments;
    unlink glob("$target/built.files.*.xml");
    open my $list, '>:utf8', "$target/built.files.packageAssembly.xml" or die $!;
    XML::Simple->new(NoAttr => 0, AttrIndent => 1)->XMLout({ file => \@kept }, RootName => 'files',
        XMLDecl => '<?xml version="1.0" encoding="UTF-8"?>', OutputFile => $list);
    close $list or die $!;
    run('chmod', '-R', 'a+rx', $target) or die "cannot set permissions\n";
}

# Returns what XML::Simple makes of the lists of a fragment.
sub lists {
    my ($fragment) = @_;
    my $dir = tempdir(CLEANUP => 1);
    my @take = ('tar', '-xzmf', $fragment, '-C', $dir, '--wildcards');
    unless (run(@take, './built.files.*.xml')) {
        run(@take, 'built.files.*.xml') or die "no list\n";
        print STDERR "the original finds no list\n";
    }
    return map { XML::Simple::XMLin($_, ForceArray => 1, KeyAttr => []) } glob("$dir/built.files.*.xml");
}

# Adds a list to what is known of each path, and its entries to those of the package.
sub merge {
    my ($list, $seen, $kept) = @_;
    for my $entry (@{ $list->{file} }) {
        my $known = $seen->{ $entry->{fullname} } //= {};
        my $again = exists $known->{type};
        push @{ $known->{by} }, { %{$entry}{qw(host md5sum type)} };
        $known->{type} //= $entry->{type};
        $known->{bad} = $known->{types} = 1 if $known->{type} ne $entry->{type};
        if ($entry->{type} eq 'file') {
            $known->{md5sum} //= $entry->{md5sum};
            $known->{bad} = 1 if $known->{md5sum} ne $entry->{md5sum};
        }
        next if $again && $entry->{type} =~ /^(?:dir|link)$/ || $entry->{fullname} =~ /^built\.files\..*\.xml$/;
        if ($again) {
            delete @{$entry}{qw(md5sum size)};
            $entry->{type} = 'merge';
        }
        push @$kept, $entry;
    }
}

# Returns the report of a path that machines disagree on.
sub conflict {
    my ($path, $known) = @_;
    my $what = $known->{types} ? 'type' : 'md5sum';
    my @lines = ($known->{types} ? "Entry Path: $path" : "File Name: $path");
    for my $one (@{ $known->{by} }) {
        my @same = grep { $_->{host} ne $one->{host} && $_->{$what} eq $one->{$what} } @{ $known->{by} };
        my $who = @same ? 'Same as: ' . join ', ', map { $_->{host} } @same : "Unique to: $one->{host}";
        my $type = $known->{types} ? sprintf ' Type: %-8s', $one->{type} : '';
        push @lines, sprintf '    Provided by: %-8s%s %s', $one->{host}, $type, $who;
    }
    return @lines;
}

sub run {
    my $pid = fork // die "fork: $!";
    unless ($pid) {
        open STDERR, '>', '/dev/null';
        exec @_ or exit 127;
    }
    waitpid $pid, 0;
    return $? == 0;
}
