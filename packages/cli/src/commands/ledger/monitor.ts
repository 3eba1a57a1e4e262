import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, isFault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { readNamed } from '../../input.ts';
import { parseLogKey } from './log-key.ts';
import { createLogReader } from './log-reader.ts';
import { type Alarm, lookAt, readSeen, writeSeen } from './watch.ts';

/** As other findings about integrity. */
const alarmed = 6;

export const ledgerMonitor: Command = {
  name: ['ledger', 'monitor'],
  summary: 'follow a log, and sound an alarm when it forks or has what we did not sign',
  more: [
    'Any log that is served as tiles (c2sp.org/tlog-tiles) will do.',
    'The state remembers what was seen: keep it away from the machine that is watched.',
    'An alarm is one line on standard output, JSON with --json, and exit code 6.',
  ],
  args: [{ name: 'URL', doc: 'where /checkpoint and /tile/ are' }],
  flags: {
    'log-key': { type: 'string', value: 'FILE', doc: 'key of the log, name+hash+base64' },
    state: { type: 'string', value: 'FILE', doc: 'what was seen last; made on the first look' },
    identity: {
      type: 'string',
      many: true,
      value: 'NAME',
      doc: 'alarm when it signs what is not in --known',
    },
    known: { type: 'string', value: 'FILE', doc: 'hexadecimal digests of what we signed' },
    again: { type: 'boolean', doc: 'read all entries, compare each with its hash' },
    follow: { type: 'string', value: 'SECONDS', doc: 'look again and again, until an alarm' },
    'token-file': { type: 'string', value: 'FILE', doc: 'token for a log whose entries need one' },
  },
  examples: [
    'sally ledger monitor https://log.example.com --log-key log.key --state log.state',
    'sally ledger monitor https://log.example.com --log-key K --state S --identity ci@example.com',
    'sally ledger monitor https://log.example.com --log-key K --state S --follow 60 --json',
  ],
  run: async (invocation) => {
    const { arg, flags, on, out } = invocation;
    const key = parseLogKey(readNamed(required(invocation, 'log-key')));
    const stateFile = required(invocation, 'state');
    const tokenFile = invocation.flag('token-file');
    const log = createLogReader(arg(0), tokenFile === undefined ? undefined : readNamed(tokenFile).trim());
    const knownFile = invocation.flag('known');
    const options = {
      identities: flags('identity'),
      known: new Set(
        knownFile === undefined
          ? []
          : readNamed(knownFile)
              .split('\n')
              .map((line) => line.trim()),
      ),
      again: on('again'),
    };
    const every = invocation.count('follow', 1, 86_400);
    for (;;) {
      try {
        const before = existsSync(stateFile) ? readSeen(readFileSync(stateFile, 'utf8'), key) : undefined;
        const { seen, treeSize, alarms } = await lookAt(log, key, before, options);
        if (seen !== undefined) remember(stateFile, writeSeen(seen));
        for (const alarm of alarms) out.line(alarm, () => told(alarm));
        if (alarms.length > 0) return alarmed;
        out.line({ ok: true, origin: key.name, treeSize }, () => `${key.name} holds, ${treeSize} entries`);
      } catch (error) {
        // A log that is away for a while is no alarm for who follows it.
        if (every === undefined || !isFault(error) || error.kind !== 'unavailable') throw error;
        out.warn(error.message);
      }
      if (every === undefined) return undefined;
      await sleep(every * 1000);
    }
  },
};

function required(invocation: Invocation, name: string): string {
  const value = invocation.flag(name);
  if (value !== undefined) return value;
  throw new Fault('invalid', 'cli.usage', `expected --${name}, got nothing`);
}

/** Named in full only when everything is in it: half a state would be taken for a damaged one. */
function remember(file: string, text: string): void {
  writeFileSync(`${file}.partial`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.partial`, file);
}

function told(alarm: Alarm): string {
  switch (alarm.alarm) {
    case 'fork':
      return `ALARM: the log does not extend what was seen\nremembered:\n${alarm.remembered}\nserved:\n${alarm.served}`;
    case 'rewritten_entry':
      return `ALARM: entry ${alarm.index} is not what the log's tree holds`;
    case 'unknown_signature':
      return `ALARM: ${alarm.identity} signed ${alarm.digest}, which is not known, at entry ${alarm.index}`;
  }
}
