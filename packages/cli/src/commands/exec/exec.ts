import { Fault } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connectVault, withVault } from '../vault/connect.ts';
import { type Child, type Ended, startChild } from './child.ts';
import { childEnvironment, parseWanted, readWanted, type Wanted } from './wanted.ts';

const graceSeconds = 10;
/** What people and supervisors send. A terminal sends the first two to the program by itself. */
const fromTerminal = ['SIGINT', 'SIGQUIT'] as const;
const others = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const;

export const exec: Command = {
  name: ['exec'],
  summary: 'run a program with secrets in its environment; they are nowhere else',
  more: [
    'The program has our standard input, output and error; signals go to it, and its exit code is ours (128 and the',
    'number of a signal; 127: not found). It does not get VAULT_TOKEN or what else signs in here. With',
    '--restart-on-change it is stopped with SIGTERM and started again when one of its secrets has a new version.',
  ],
  args: [{ name: 'COMMAND', many: true, doc: 'the program with its arguments, behind --' }],
  flags: {
    secret: {
      type: 'string',
      short: 's',
      many: true,
      value: 'NAME=PATH#KEY',
      doc: 'a value as the variable NAME',
    },
    all: {
      type: 'string',
      many: true,
      value: 'PATH',
      doc: 'all values of a secret, as variables of their names',
    },
    'restart-on-change': { type: 'boolean', doc: 'start it again when a secret has changed' },
    every: { type: 'string', value: 'SECONDS', doc: 'how often to look for changes, default 30' },
    grace: { type: 'string', value: 'SECONDS', doc: `how long it may take to stop, default ${graceSeconds}` },
  },
  handlesSignals: true,
  examples: [
    'sally exec --secret DATABASE_URL=secret/app#url -- node server.js',
    'sally exec --all secret/app --restart-on-change -- ./server --port 8080',
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const [command, ...args] = invocation.args;
  const wanted: readonly Wanted[] = [
    ...invocation.flags('secret').map(parseWanted),
    ...invocation.flags('all').map((path): Wanted => ({ kind: 'all', path })),
  ];
  if (command === undefined || wanted.length === 0) {
    throw new Fault('invalid', 'cli.usage', 'expected --secret or --all, got none', {
      hint: 'sally exec --secret NAME=PATH#KEY -- COMMAND',
    });
  }
  const start = async (client: VaultClient): Promise<Child> =>
    startChild(command, args, childEnvironment(invocation.settings.env, await readWanted(client, wanted)));
  const signals = forwardSignals();
  try {
    if (invocation.on('restart-on-change'))
      return finish(invocation, await keepCurrent(invocation, wanted, start, signals));
    const child = await withVault(invocation, start);
    signals.to(child);
    return finish(invocation, await child.ended);
  } finally {
    signals.stop();
  }
}

function finish({ out }: Invocation, { code, failure }: Ended): number {
  if (failure !== undefined) out.error(new Fault('not_found', 'cli.not_started', failure));
  return code;
}

/** Runs until the program ends by itself, or somebody ends it. */
async function keepCurrent(
  invocation: Invocation,
  wanted: readonly Wanted[],
  start: (client: VaultClient) => Promise<Child>,
  signals: Signals,
): Promise<Ended> {
  const everySeconds = invocation.count('every', 1, 86_400) ?? 30;
  const graceMs = (invocation.count('grace', 0, 3600) ?? graceSeconds) * 1000;
  const over = new AbortController();
  const { client, end } = connectVault(invocation);
  try {
    const changes = changesOf(invocation, client, wanted, everySeconds, over.signal);
    // Before the values are read: a change in between is seen as one, and not lost.
    await changes.ready;
    for (;;) {
      const child = await start(client);
      signals.to(child);
      const what = await Promise.race([child.ended, changes.next()]);
      if (typeof what !== 'string') return what;
      if (signals.ending) return await child.ended;
      invocation.out.note(`${what} has changed: starting ${invocation.arg(0)} again`);
      const ended = await child.stop(graceMs);
      if (signals.ending) return ended;
    }
  } finally {
    over.abort();
    await end();
  }
}

interface Changes {
  /** Every path was looked at once. */
  readonly ready: Promise<void>;
  /** The path of the next change; rejects when a path may not be read any more. */
  next(): Promise<string>;
}

function changesOf(
  { out }: Invocation,
  client: VaultClient,
  wanted: readonly Wanted[],
  everySeconds: number,
  signal: AbortSignal,
): Changes {
  const changed = new Set<string>();
  let wake: () => void = () => undefined;
  const watch = async (path: string, looked: () => void): Promise<void> => {
    let first = true;
    for await (const { deleted } of client.watch(path, { everySeconds, signal })) {
      if (first) looked();
      else if (deleted) out.warn(`${path} was deleted; the program keeps what it has`);
      else changed.add(path);
      first = false;
      wake();
    }
  };
  const paths = [...new Set(wanted.map(({ path }) => path))];
  const ready: Promise<void>[] = [];
  for (const path of paths) {
    ready.push(
      new Promise((resolve, reject) => {
        watch(path, resolve).catch((error: unknown) => {
          reject(error);
          if (!signal.aborted)
            out.warn(`${path} is not watched any more: ${error instanceof Error ? error.message : ''}`);
        });
      }),
    );
  }
  return {
    ready: Promise.all(ready).then(() => undefined),
    async next() {
      while (changed.size === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const all = [...changed].join(', ');
      changed.clear();
      return all;
    },
  };
}

interface Signals {
  /** Somebody asked for the end; it is not started again. */
  readonly ending: boolean;
  to(child: Child): void;
  stop(): void;
}

/** From the very beginning: a signal that comes while we sign in ends us, later ones go to the program. */
function forwardSignals(): Signals {
  let child: Child | undefined;
  let ending = false;
  const handlers = [...fromTerminal, ...others].map((signal) => {
    const handler = (): void => {
      const ends = !['SIGWINCH', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'].includes(signal);
      ending ||= ends;
      if (child === undefined) {
        if (ends || signal === 'SIGHUP') process.exit(130);
        return;
      }
      const seen = process.stdin.isTTY && fromTerminal.some((each) => each === signal);
      if (!seen) child.signal(signal);
    };
    process.on(signal, handler);
    return () => void process.off(signal, handler);
  });
  return {
    get ending() {
      return ending;
    },
    to(next) {
      child = next;
    },
    stop() {
      for (const off of handlers) off();
    },
  };
}
