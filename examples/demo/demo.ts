import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { journey } from './journey.ts';
import { showRefusals } from './refusals.ts';
import { createSally, startUp } from './sally.ts';
import { setUp } from './set-up.ts';
import { createScreen } from './terminal.ts';

/**
 * `npm run demo`: the whole path on an empty data directory, with the real programs, as a new user would type it.
 * `--keep` leaves everything running at the end.
 */
const keep = process.argv.includes('--keep');
const began = Date.now();
const screen = createScreen((text) => process.stdout.write(text), process.stdout.isTTY === true);
const home = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
const data = join(home, 'data');
const env = { SALLYPORT_CREDENTIALS: join(home, 'ada.json') };
const port = await freePort();

screen.heading('1. A server and an agent, on an empty data directory');
screen.command(['up', '--data', data, '--listen', `127.0.0.1:${port}`]);
const up = await startUp(data, port, env);
// An interrupted demo leaves nothing running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void up.stop());
try {
  screen.answer(`ready on ${up.address}`);
  const people = {
    ada: createSally(screen, { SALLYPORT_ADDR: up.address, SALLYPORT_CREDENTIALS: join(home, 'ada.json') }),
    riley: createSally(screen, {
      SALLYPORT_ADDR: up.address,
      SALLYPORT_CREDENTIALS: join(home, 'riley.json'),
      SALLYPORT_PROJECT: 'orders',
    }),
  };
  const world = await setUp({ screen, people, home, address: up.address, bootstrapToken: up.bootstrapToken });
  const released = await journey(world);
  await showRefusals(world, released, data);

  screen.heading('The trace: everything that happened to what runs in production');
  await people.ada.run(['trace', released.digest]);
  await people.ada.run(['ledger', 'verify']);
  screen.proven('the whole ledger was replayed and agrees with the database');

  screen.heading(`Proven in ${Math.round((Date.now() - began) / 1000)} seconds`);
  for (const proof of screen.summary()) screen.say(`  - ${proof}`);
  if (keep) await untilStopped();
} catch (error) {
  process.stderr.write(`\nthe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(`logs: ${join(data, 'logs')}\n`);
  process.exitCode = 1;
} finally {
  await up.stop();
  if (process.exitCode === undefined || process.exitCode === 0)
    rmSync(home, { recursive: true, force: true });
}

async function untilStopped(): Promise<void> {
  screen.heading('It stays up until Ctrl-C');
  screen.say(`  export SALLYPORT_ADDR=${up.address} SALLYPORT_CREDENTIALS=${env.SALLYPORT_CREDENTIALS}`);
  screen.say('  npx sally status');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
