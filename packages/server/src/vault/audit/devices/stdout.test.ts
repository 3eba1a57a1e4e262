import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { eventually } from './receiver.fixture.ts';

const program = `
  import { createStdoutDevice } from ${JSON.stringify(new URL('./stdout.ts', import.meta.url).href)};
  const device = createStdoutDevice(process.stdout, 100);
  const say = (text) => process.stderr.write(text + '\\n');
  const outcome = (lines) => device.write(lines).then(() => 'written', (error) => error.code);
  say(await outcome([Buffer.from('{"n":1}\\n')]));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  say(await outcome([Buffer.alloc(1 << 20, 0x61), Buffer.from('\\n')]));
  say(await outcome([Buffer.from('{"n":2}\\n')]));
  clearInterval(timer);
  say(ticks > 10 ? 'ticking' : 'blocked');
  process.stdin.once('data', async () => {
    say(await outcome([Buffer.from('{"n":3}\\n')]));
    process.stdin.once('data', async () => {
      for (let i = 0; i < 3; i++) say(await outcome([Buffer.from('{"n":4}\\n')]));
      process.exit(0);
    });
  });
`;

/** With a pipe of the shell, or with what Node gives a child: a socket, as under systemd. */
function start(pipe: boolean): ChildProcess {
  const node = ['--input-type=module', '--eval', program];
  return pipe
    ? spawn('sh', ['-c', '"$0" "$@" | { read line; read go <&3; cat; }', process.execPath, ...node], {
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      })
    : spawn(process.execPath, node, { stdio: ['pipe', 'pipe', 'pipe'] });
}

describe('standard output as an audit device', () => {
  it.each([true, false])(
    'fails in time when nobody reads it and never blocks the process (pipe: %s)',
    async (pipe) => {
      const child = start(pipe);
      let said = '';
      let shown = '';
      child.stderr?.on('data', (chunk) => {
        said += String(chunk);
      });
      if (!pipe) child.stdout?.pause();
      await eventually(() => said.endsWith('ticking\n') || said.endsWith('blocked\n'), 20_000);
      expect(said).toBe('written\nvault.audit_timeout\nvault.audit_timeout\nticking\n');

      child.stdout?.on('data', (chunk) => {
        shown += String(chunk);
      });
      child.stdout?.resume();
      if (pipe) (child.stdio[3] as NodeJS.WritableStream).write('go\n');
      child.stdin?.write('read again\n');
      await eventually(() => said.endsWith('ticking\nwritten\n'));
      await eventually(() => shown.endsWith('{"n":3}\n'));
      expect(shown).not.toContain('{"n":2}');

      if (!pipe) {
        child.stdout?.destroy();
        child.stdin?.write('closed\n');
        await once(child, 'close');
        expect(said.endsWith('vault.audit_write\n')).toBe(true);
      } else {
        child.stdin?.write('closed\n');
        await once(child, 'close');
      }
    },
  );
});
