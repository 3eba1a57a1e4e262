import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  checkpointKeyId,
  concatBytes,
  encodeEntryBundle,
  leafHash,
  rootFromLeaves,
  signCheckpoint,
  tilePath,
  tileWidth,
  toBase64,
  toHex,
  utf8,
} from '@sallyport/formats';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseLogKey } from './log-key.ts';
import { createLogReader, type LogReader } from './log-reader.ts';
import { appended, countPeaks, emptyRange, rootOf } from './range.ts';
import { lookAt, readSeen, type Seen, type WatchOptions, writeSeen } from './watch.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
const keyId = checkpointKeyId('log.example', spki);
const keyText = `log.example+${toHex(keyId.slice(0, 4))}+${toBase64(concatBytes(Uint8Array.of(1), spki.slice(12)))}`;
const key = parseLogKey(keyText);
const files = new Map<string, Uint8Array>();
const nothing: WatchOptions = { identities: [], known: new Set<string>(), again: false };
let server: Server;
let log: LogReader;

beforeAll(async () => {
  server = createServer((request, response) => {
    const file = files.get((request.url ?? '').slice(1));
    response.writeHead(file === undefined ? 404 : 200).end(file ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server has no other kind
  log = createLogReader(`http://127.0.0.1:${port}/`, undefined);
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => files.clear());

const note = (entries: readonly string[]): string =>
  signCheckpoint(
    {
      origin: 'log.example',
      treeSize: entries.length,
      rootHash: rootFromLeaves(entries.map((entry) => leafHash(utf8(entry)))),
    },
    'log.example',
    (bytes) => Uint8Array.from(sign(null, bytes, privateKey)),
    spki,
  );

/** Puts a log of these entries behind the address; the checkpoint may be of fewer. */
function serve(entries: readonly string[], head = entries): void {
  files.set('checkpoint', utf8(note(head)));
  for (let size = 1; size <= entries.length; size += 1) {
    const index = Math.floor((size - 1) / tileWidth);
    const part = entries.slice(index * tileWidth, size).map((entry) => utf8(entry));
    files.set(tilePath(0, index, part.length), concatBytes(...part.map(leafHash)));
    files.set(tilePath('entries', index, part.length), encodeEntryBundle(part));
  }
}

const entriesOf = (count: number, name = 'entry'): string[] =>
  Array.from({ length: count }, (_, i) => `${name} ${i}`);
const look = (before?: Seen, options: Partial<WatchOptions> = {}) =>
  lookAt(log, key, before, { ...nothing, ...options });

describe('following a log', () => {
  it('goes on from what was seen, across tiles, without reading it again', async () => {
    serve(entriesOf(300));
    const first = await look();
    expect([first.alarms, first.seen?.size]).toEqual([[], 300]);
    files.clear();
    serve(entriesOf(520));
    files.delete(tilePath(0, 0));

    const second = await look(readSeen(writeSeen(first.seen ?? fail()), key));

    expect([second.alarms, second.seen?.size]).toEqual([[], 520]);
    expect((await look(second.seen)).seen?.size).toBe(520);
  });

  it('reads the full tile when the partial one is gone', async () => {
    serve(entriesOf(256), entriesOf(100));
    files.delete(tilePath(0, 0, 100));

    expect((await look()).alarms).toEqual([]);
  });

  it.each<[string, number, string[]]>([
    ['the same size', 40, entriesOf(40, 'other')],
    ['more entries', 40, [...entriesOf(39), 'rewritten', ...entriesOf(30, 'more')]],
    ['fewer entries', 40, entriesOf(20, 'other')],
    ['nothing left', 40, []],
  ])('sounds an alarm for another history with %s', async (_what, size, others) => {
    serve(entriesOf(size));
    const { seen } = await look();
    files.clear();
    serve(others.length === 0 ? entriesOf(size, 'other') : [...others, ...entriesOf(size)], others);

    const watched = await look(seen);

    expect(watched.seen).toBeUndefined();
    expect(watched.alarms).toEqual([{ alarm: 'fork', remembered: seen?.note, served: note(others) }]);
  });

  it('takes an older checkpoint of the same history, and does not forget the newer one', async () => {
    serve(entriesOf(300));
    const { seen } = await look();
    serve(entriesOf(300), entriesOf(120));

    expect(await look(seen)).toEqual({ seen: undefined, treeSize: 120, alarms: [] });
  });

  it('sounds an alarm when the tiles do not make the root', async () => {
    serve(entriesOf(50));
    files.set(tilePath(0, 0, 50), new Uint8Array(50 * 32));

    expect((await look()).alarms).toMatchObject([{ alarm: 'fork' }]);
  });

  it('sounds an alarm for an entry that is not what the tree holds, when it reads again', async () => {
    serve(entriesOf(300));
    const { seen } = await look();
    const changed = entriesOf(256).map((entry, i) => utf8(i === 77 ? 'changed' : entry));
    files.set(tilePath('entries', 0), encodeEntryBundle(changed));

    expect((await look(seen)).alarms).toEqual([]);
    const again = await look(seen, { again: true });
    expect(again.alarms).toEqual([{ alarm: 'rewritten_entry', index: 77, checkpoint: note(entriesOf(300)) }]);
    expect(again.seen).toBeUndefined();
  });
});

describe('an identity', () => {
  const certificate = Buffer.from('not a certificate, yet ci@example.com stands in it');
  const digest = 'ab'.repeat(32);
  const tiled = JSON.stringify({
    spec: {
      hashedRekordV002: {
        data: { digest: Buffer.from(digest, 'hex').toString('base64') },
        signature: { verifier: { x509Certificate: { rawBytes: certificate.toString('base64') } } },
      },
    },
  });
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`;
  const promised = JSON.stringify({
    spec: {
      data: { hash: { value: digest } },
      signature: { publicKey: { content: Buffer.from(pem).toString('base64') } },
    },
  });

  it.each([
    ['tiled', tiled],
    ['promised', promised],
  ])('is found in a %s entry, unless the digest is known', async (_form, entry) => {
    serve(['a', entry, 'b', '{}', '[1]', '{"spec":null}']);
    const mine = { identities: ['ci@example.com'] };

    expect((await look(undefined, mine)).alarms).toEqual([
      { alarm: 'unknown_signature', index: 1, identity: 'ci@example.com', digest },
    ]);
    expect((await look(undefined, { ...mine, known: new Set([digest]) })).alarms).toEqual([]);
    expect((await look(undefined, { identities: ['other@example.com'] })).alarms).toEqual([]);
  });
});

describe('what is refused', () => {
  it('a checkpoint by another key, a short tile, and no log', async () => {
    await expect(look()).rejects.toMatchObject({ code: 'cli.no_log' });
    serve(entriesOf(3));
    files.set('checkpoint', utf8(note(entriesOf(3)).replace('log.example', 'log.other')));
    await expect(look()).rejects.toMatchObject({ kind: 'integrity' });
    serve(entriesOf(3));
    files.set(tilePath(0, 0, 3), new Uint8Array(32));
    await expect(look()).rejects.toMatchObject({ code: 'cli.log_tile' });
  });

  it('a state that was changed', async () => {
    serve(entriesOf(5));
    const text = writeSeen((await look()).seen ?? fail());
    const state = JSON.parse(text);
    const changes = [
      { ...state, size: 4 },
      { ...state, peaks: state.peaks.toReversed() },
      { ...state, peaks: [] },
      { ...state, v: 2 },
      { ...state, note: note(entriesOf(4)) },
    ];
    for (const change of changes) {
      expect(() => readSeen(JSON.stringify(change), key)).toThrow();
    }
  });

  it.each([
    '',
    'log.example',
    keyText.replace('log.example', 'log.other'),
    `${keyText}A`,
    `${keyText.slice(0, keyText.indexOf('+', 12))}+${toBase64(concatBytes(Uint8Array.of(4), spki.slice(12)))}`,
  ])('a key such as %j', (text) => {
    expect(() => parseLogKey(text)).toThrow();
  });
});

it('computes the root of any tree leaf by leaf', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 600 }), (size) => {
      const leaves = entriesOf(size).map((entry) => leafHash(utf8(entry)));
      const range = leaves.reduce(appended, emptyRange);
      expect(range.peaks).toHaveLength(countPeaks(size));
      expect(toHex(rootOf(range))).toBe(toHex(rootFromLeaves(leaves)));
    }),
    { numRuns: 60 },
  );
});

function fail(): never {
  throw new Error('expected a state');
}
