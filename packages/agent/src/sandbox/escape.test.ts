import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Machine, type Syscall, syscallNames, syscallNumber } from './seccomp/syscalls.ts';
import { type Bench, openBench, perlSyscall } from './test-support/sandbox.ts';

/** Each test is a step that tries to get out. They run on the real host, nothing is replaced. */

const machine = process.arch as Machine; // the sandbox refuses to start on any other
const number = (name: Syscall): number => {
  const found = syscallNumber(name, machine);
  if (found === undefined) throw new Error(`${name} is missing on ${machine}`);
  return found;
};

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const listen = (at: object): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.end('outside\n'));
    server.on('error', reject);
    server.listen(at, () => resolve(server));
  });

describe('the network', () => {
  it('cannot be reached by address, not even the host itself', async () => {
    const server = await listen({ host: '127.0.0.1', port: 0 });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const script = `
      for target in 127.0.0.1:${port} 169.254.169.254:80 1.1.1.1:443 10.0.0.1:80; do
        perl -MIO::Socket::INET -e '
          my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], Timeout => 2); print $s ? "CONNECTED" : "no: $@"; print "\\n";
        ' $target
      done
      perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Proto => "udp", PeerAddr => "1.1.1.1:53"); print $s && $s->send("x") ? "CONNECTED" : "no", "\\n";'
      tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route
    `;

    const { output } = await bench.run(script);
    server.close();

    expect(output).not.toContain('CONNECTED');
    expect(output.match(/^no/gm)).toHaveLength(5);
    expect(output.trim().split('\n').at(-1)?.trim()).toBe('lo');
  });

  it('resolves no name', async () => {
    const { output } = await bench.run(`getent hosts example.com && echo RESOLVED; getent hosts localhost`);

    expect(output).not.toContain('RESOLVED');
    expect(output).toContain('localhost');
  });

  it('hides abstract unix sockets of the host', async () => {
    const server = await listen({ path: '\0sallyport-escape-test' });
    const script = `perl -MSocket -e '
      socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; my $a = pack("S a*", AF_UNIX, "\\0sallyport-escape-test");
      print connect($s, $a) ? "CONNECTED" : "refused: " . ($!+0), "\\n";'`;

    const { output } = await bench.run(script);
    server.close();

    expect(output).toBe('refused: 111\n');
  });

  it('gives no raw, packet, vsock or netlink socket', async () => {
    const families = [17, 40, 38, 30, 21];
    const script = [
      ...families.map((family) => perlSyscall(number('socket'), family, 1, 0)),
      perlSyscall(number('socket'), 16, 3, 9),
      perlSyscall(number('socket'), 2, 3, 1),
    ].join('\n');

    const { output } = await bench.run(script);

    expect(output.trim().split('\n')).toEqual([...families.map(() => '-1 97'), '-1 97', '-1 1']);
  });
});

describe('files of the host', () => {
  it('does not show the keyring, accounts, homes or state, by any path', async () => {
    const keyring = join(bench.directory, 'state', 'root.key');
    writeFileSync(keyring, 'root-key-material', { mode: 0o600 });
    const script = `
      cat ${keyring} /proc/1/root${keyring} /proc/self/root${keyring} ../../../..${keyring} && echo READ
      ls -d /root /home/* /var /etc/shadow /etc/ssh /etc/ssl/private /run/* /sys /boot /mnt /srv /opt 2>/dev/null
      for each in /proc/[0-9]*; do ls $each/root/root $each/root/var $each/cwd/../root; done 2>/dev/null
      grep -rl root-key-material / --exclude-dir=proc --exclude-dir=usr 2>/dev/null
      true
    `;

    const { output } = await bench.run(script, { workspace: bench.workspace() });

    expect(output).not.toContain('READ');
    expect(output.split('\n').filter((line) => line.startsWith('/'))).toEqual(['/home/sallyport']);
  });

  it('cannot be changed: the root, /dev, /proc and /sys are read-only or absent', async () => {
    const script = `
      for each in /x /usr/x /etc/x /etc/passwd /dev/x /.sallyport/x /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/x /home/x /run/x; do
        (echo y > $each) 2>/dev/null && echo "WROTE $each"
      done
      chmod 600 /dev/null 2>/dev/null && echo "CHANGED /dev/null"
      mknod /tmp/disk b 8 0 2>/dev/null && echo "MADE a device"
      true
    `;
    const before = statSync('/dev/null').mode;

    const { output } = await bench.run(script);

    expect(output).toBe('');
    expect(statSync('/dev/null').mode).toBe(before);
  });

  it('does not follow a link of the workspace when it is given to the step', async () => {
    const workspace = bench.workspace();
    const outside = join(bench.directory, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'x');
    symlinkSync(outside, join(workspace, 'directory'));
    symlinkSync(join(outside, 'file'), join(workspace, 'file'));
    const owner = lstatSync(join(outside, 'file')).uid;

    const { output } = await bench.run('cat file directory/file; echo done', { workspace });

    expect(output).toContain('done');
    expect(output).not.toMatch(/^x/m);
    expect(lstatSync(join(outside, 'file')).uid).toBe(owner);
    expect(lstatSync(outside).uid).toBe(owner);
  });
});

describe('other steps and processes', () => {
  it('sees only its own processes', async () => {
    const { output } = await bench.run(`
      ls /proc | grep -c '^[0-9]'; kill -0 ${process.pid} 2>/dev/null && echo "AL""IVE"; tr '\\0' ' ' < /proc/1/cmdline`);

    expect(Number(output.split('\n')[0])).toBeLessThan(8);
    expect(output).not.toContain('ALIVE');
    expect(output).toContain('bwrap');
  });

  it("cannot find another step's workspace, secrets or environment", async () => {
    const other = await bench.start('cp /run/secrets/token /workspace/mine; sleep 20', {
      workspace: bench.workspace(),
      env: { OTHER: 'other-environment-secret' },
      secretFiles: [{ name: 'token', content: { expose: () => Buffer.from('other-file-secret') } }],
    });
    void (async () => {
      for await (const _ of other.output) {
        // Nothing is printed; the pipe only has to be read.
      }
    })();

    const { output } = await bench.run(
      `cat /proc/*/environ /proc/*/root/run/secrets/* /run/secrets/* 2>/dev/null | tr '\\0' '\\n'
       grep -rl "other-.*-secret" /workspace /tmp /home /run /dev/shm 2>/dev/null; ls ${bench.directory} 2>/dev/null; ls -A /workspace /tmp /dev/shm`,
      { workspace: bench.workspace() },
    );
    other.kill('the test is over');
    await other.finished;

    expect(output).not.toContain('other-');
    expect(output).not.toContain('workspace-');
  });

  it('shows no secret in any command line or foreign environment, inside or outside', async () => {
    const secret = 'never-in-argv-1f4c';
    const running = await bench.start('sleep 5', {
      env: { TOKEN: secret },
      secretFiles: [{ name: 'token', content: { expose: () => Buffer.from(`${secret}-file`) } }],
      ingressPort: 8080,
    });
    await delay(300);

    const seen: string[] = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(secret)) seen.push(`cmdline of ${pid}`);
        const isBwrap = readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'bwrap';
        if (isBwrap && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(secret))
          seen.push(`environ of ${pid}`);
      } catch {
        // Ended meanwhile, or not ours to look at.
      }
    }
    running.kill('the test is over');
    await running.finished;

    expect(seen).toEqual([]);
  });

  it('does not let a variable of the step act on bwrap outside', async () => {
    const { output } = await bench.run('true', {
      command: ['/bin/true'],
      env: { LD_PRELOAD: '/workspace/evil.so', LD_DEBUG: 'statistics' },
    });

    // The loader complains once, for /bin/true inside; bwrap, setpriv and prlimit outside would each have, too.
    expect(output.match(/evil\.so/g)).toHaveLength(1);
  });
});

describe('privileges', () => {
  it('cannot be gained: no capabilities, no setuid, no user but its own', async () => {
    const { output } = await bench.run(`
      grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
      perl -e '$> = 0; $< = 0; print "uid $< $>\\n"'
      mount -t tmpfs none /tmp 2>/dev/null && echo MOUNTED
      cp /bin/sh /tmp/sh; chmod 4755 /tmp/sh; /tmp/sh -p -c 'id -u'
      for each in /usr/bin/su /usr/bin/passwd /usr/bin/mount; do grep -s nosuid /proc/self/mounts >/dev/null || echo SUID; done
    `);

    expect(output.match(/^Cap\w+:\t0{16}$/gm)).toHaveLength(5);
    expect(output).toMatch(/^NoNewPrivs:\t1$/m);
    expect(output).toMatch(/^Seccomp:\t2$/m);
    expect(output).toMatch(/^uid 1000 1000$/m);
    expect(output).toMatch(/^1000$/m);
    expect(output).not.toMatch(/MOUNTED|SUID/);
  });

  it('refuses every listed system call in the kernel, not only in our table', async () => {
    const judged: readonly Syscall[] = ['clone', 'clone3', 'socket', 'socketpair', 'personality', 'ioctl'];
    const denied = syscallNames.filter(
      (name) => !judged.includes(name) && syscallNumber(name, machine) !== undefined,
    );
    const calls = denied.map((name) => `${number(name)}`).join(',');

    const { output } = await bench.run(
      `perl -e 'for my $n (${calls}) { $! = 0; my $r = syscall($n, 0, 0, 0, 0, 0, 0); print "$r ", $!+0, "\\n" }'`,
    );

    expect(output.trim().split('\n')).toEqual(denied.map(() => '-1 1'));
  });

  it('has no nested user namespace, by clone, clone3, unshare or the program of that name', async () => {
    const { output } = await bench.run(`
      ${perlSyscall(number('clone'), 0x1000_0000 | 17, 0, 0, 0, 0)}
      ${perlSyscall(number('clone3'), 0, 0)}
      ${perlSyscall(number('unshare'), 0x1000_0000)}
      unshare -Ur true 2>/dev/null && echo NESTED
      bwrap --unshare-all --ro-bind / / true 2>/dev/null && echo NESTED
      true
    `);

    expect(output).toBe('-1 1\n-1 38\n-1 1\n');
  });

  it('cannot type into a terminal (TIOCSTI), nor has one', async () => {
    const { output } = await bench.run(`
      ${perlSyscall(number('ioctl'), 0, 0x5412, 0)}
      ${perlSyscall(number('ioctl'), 0, 0x541c, 0)}
      (echo x > /dev/tty) 2>/dev/null && echo TERMINAL; true`);

    expect(output).toBe('-1 1\n-1 1\n');
  });

  it.runIf(process.arch === 'x64')('is killed when it calls the kernel as another architecture', async () => {
    const { output } = await bench.run(
      `perl -e 'syscall(0x40000000 | 39); print "SURVIVED"'; echo "code $?"`,
    );

    expect(output).not.toContain('SURVIVED');
    expect(output).toContain('code 159'); // 128 + SIGSYS
  });

  it('inherits no descriptor of the agent', async () => {
    const { output } = await bench.run(`for each in /proc/$$/fd/*; do readlink $each; done`);

    const foreign = output
      .split('\n')
      .filter((line) => line !== '' && line !== '/dev/null' && !line.includes('pipe'));
    expect(foreign).toEqual([]);
  });
});

describe('the end of a step', () => {
  const daemonise = (heartbeat: string): string => `
    perl -e '
      use POSIX; fork and exit; POSIX::setsid(); fork and exit;
      $SIG{$_} = "IGNORE" for qw(TERM HUP INT QUIT USR1); chdir "/";
      open(my $f, ">>", "${heartbeat}"); $f->autoflush(1);
      for (1..600) { print $f "x"; select(undef, undef, undef, 0.02) }
    ' &`;

  it.each([
    ['returns', 'sleep 0.3', 20, 'succeeded'],
    ['times out', 'sleep 30', 0.5, 'timed_out'],
  ])(
    'ends what was double-forked, detached and deaf to signals when it %s',
    async (_, end, timeoutSeconds, outcome) => {
      const workspace = bench.workspace();

      const result = await bench.run(`${daemonise('/workspace/heartbeat')} ${end}`, {
        workspace,
        timeoutSeconds,
      });

      const beats = statSync(join(workspace, 'heartbeat')).size;
      await delay(200);
      expect(result.outcome).toBe(outcome);
      expect(beats).toBeGreaterThan(2);
      expect(statSync(join(workspace, 'heartbeat')).size).toBe(beats);
    },
  );

  it('leaves no process and no control group', async () => {
    const running = await bench.start('sleep 30 & sleep 30 & sleep 30');
    const { pid } = running;
    expect(existsSync(`/proc/${pid}`)).toBe(true);

    running.kill('the test is over');
    const result = await running.finished;

    expect(result).toMatchObject({ outcome: 'failed', reason: 'the test is over' });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});
