#!/usr/bin/env perl
# A webhook for the demo: prints its port, takes one POST, prints the `text` of its JSON and ends.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 1) or die "listening: $!";
print $listener->sockport, "\n";
my $client = $listener->accept or die "accepting: $!";
my $length = 0;
while (my $line = <$client>) {
    $length = $1 if $line =~ /^content-length: *(\d+)/i;
    last if $line =~ /^\r?\n$/;
}
my $body = "";
read $client, $body, $length;
print $client "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
print $body =~ /"text":"([^"]*)"/, "\n";
