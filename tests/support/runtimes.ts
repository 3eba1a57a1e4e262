import { existsSync } from 'node:fs';
import { makePackage, type Package } from './package-registry.ts';

/** What a tiny service is written in, and the package that runs it. */
export interface Runtime {
  readonly package: Package;
  /** What the image stands on (`base` in sallyport.yaml). */
  readonly base: 'scratch' | 'host';
  readonly file: string;
  readonly command: readonly string[];
  /** The verify step. */
  readonly check: string;
  source(version: string): string;
}

/** The Node.js that runs the test, in an image from scratch: all that a real service has, and more than 100 MB of it. */
export function nodeRuntime(): Runtime {
  return {
    package: makePackage('test-node', '1.0.0', {
      'package.json': JSON.stringify({ name: 'test-node', version: '1.0.0', bin: { node: 'bin/node' } }),
      'bin/node': { copyOf: process.execPath },
    }),
    base: 'scratch',
    file: 'main.mjs',
    command: ['node', 'dist/main.mjs'],
    check: 'node --check dist/main.mjs',
    source: (version) => `import { createServer } from 'node:http';
const greeting = process.env.GREETING;
if (!greeting) { console.error('GREETING is not set'); process.exit(1); }
createServer((request, response) => {
  response.end(request.url === '/healthz' ? 'ok' : greeting + ', version ${version}');
}).listen(Number(process.env.PORT), '127.0.0.1');
`,
  };
}

const perl = '/usr/bin/perl';

/**
 * An HTTP server of a few lines of Perl, which is wherever git is: an image of a few kilobytes. Everything happens that
 * happens to a large one, and the time of a test goes into that and not into hashing.
 */
export function smallRuntime(): Runtime {
  if (!existsSync(perl)) throw new Error(`expected ${perl}, which these tests run their tiny service with`);
  return {
    package: makePackage('test-serve', '1.0.0', {
      'package.json': JSON.stringify({ name: 'test-serve', version: '1.0.0', bin: { serve: 'bin/serve' } }),
      'bin/serve': serveScript,
    }),
    base: 'host',
    file: 'answer.txt',
    command: ['serve', 'dist/answer.txt'],
    check: 'test -s dist/answer.txt',
    source: (version) => `version ${version}\n`,
  };
}

const serveScript = `#!${perl}
use strict; use warnings; use IO::Socket::INET;
my $greeting = $ENV{GREETING} or die "GREETING is not set\\n";
open(my $file, '<', $ARGV[0]) or die "no answer: $!\\n";
chomp(my $answer = <$file>);
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 50, ReuseAddr => 1)
  or die "no port: $!\\n";
while (1) {
  my $client = $server->accept() or next;
  my $request = <$client> // '';
  while (defined(my $line = <$client>)) { last if $line =~ /^\\r?$/ }
  my $body = $request =~ m{ /healthz } ? 'ok' : "$greeting, $answer";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close($client);
}
`;
