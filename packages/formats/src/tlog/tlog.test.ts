import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ed25519Key } from '../../test-support/evidence.ts';
import { utf8 } from '../bytes/bytes.ts';
import { isFault } from '../fault.ts';
import { leafHash, rootFromLeaves } from '../merkle/hash.ts';
import { checkpointText, parseCheckpoint, signCheckpoint, verifyCheckpoint } from './checkpoint.ts';
import { decodeEntryBundle, encodeEntryBundle, maxEntryBytes } from './entry-bundle.ts';
import { checkpointKeyId, noteSignatureLine } from './note.ts';
import { nodeInTile, parseTilePath, tilePath } from './tiles.ts';

describe('tile paths', () => {
  it.each([
    [0, 0, 256, 'tile/0/000'],
    [0, 1234067, 256, 'tile/0/x001/x234/067'],
    [3, 999, 5, 'tile/3/999.p/5'],
    [63, 1000, 1, 'tile/63/x001/000.p/1'],
    ['entries', 273, 255, 'tile/entries/273.p/255'],
  ] as const)('are written and read: %s %i %i', (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path);
    expect(parseTilePath(path)).toEqual({ level, index, width });
  });

  it('give back every tile', () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const));
    const index = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(level, index, fc.integer({ min: 1, max: 256 }), (l, i, w) => {
        expect(parseTilePath(tilePath(l, i, w))).toEqual({ level: l, index: i, width: w });
      }),
    );
  });

  it.each([
    '',
    'tile/0/0',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/001',
    'tile/0/001/x002',
    'tile/0/x1/001',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000/',
    '/tile/0/000',
    'tile/0/../000',
    'tile/0/x999/x999/x999/x999/x999/999',
  ])('refuse %j', (path) => {
    expect(() => parseTilePath(path)).toThrow(/expected a tile path/);
  });

  it('find the hashes that make a node', () => {
    expect(nodeInTile({ level: 0, index: 300 })).toEqual({
      tileLevel: 0,
      tileIndex: 1,
      offset: 44,
      count: 1,
    });
    expect(nodeInTile({ level: 8, index: 3 })).toEqual({ tileLevel: 1, tileIndex: 0, offset: 3, count: 1 });
    expect(nodeInTile({ level: 3, index: 33 })).toEqual({ tileLevel: 0, tileIndex: 1, offset: 8, count: 8 });
    expect(nodeInTile({ level: 15, index: 2 })).toEqual({
      tileLevel: 1,
      tileIndex: 1,
      offset: 0,
      count: 128,
    });
  });
});

describe('entry bundles', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });

  it('give back their entries', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(decodeEntryBundle(encodeEntryBundle(list))).toEqual(list);
      }),
      { numRuns: 30 },
    );
    const largest = new Uint8Array(maxEntryBytes).fill(1);
    expect(decodeEntryBundle(encodeEntryBundle([largest]))).toEqual([largest]);
  });

  it('refuse what does not fit and what is cut', () => {
    expect(() => encodeEntryBundle([new Uint8Array(maxEntryBytes + 1)])).toThrow(/entry bundle/);
    expect(() => encodeEntryBundle([])).toThrow(/entry bundle/);
    expect(() => encodeEntryBundle(Array.from({ length: 257 }, () => new Uint8Array()))).toThrow(
      /entry bundle/,
    );
    expect(() => decodeEntryBundle(new Uint8Array())).toThrow(/none/);
    expect(() => decodeEntryBundle(new Uint8Array(257 * 2))).toThrow(/more entries/);
    const bundle = encodeEntryBundle([utf8('one'), utf8('two')]);
    const whole = [0, 5, bundle.length];
    for (let size = 1; size < bundle.length; size++) {
      if (!whole.includes(size)) expect(() => decodeEntryBundle(bundle.subarray(0, size))).toThrow(/cut/);
    }
  });
});

describe('checkpoints', () => {
  const origin = 'ledger.example.test';
  const key = ed25519Key();
  const checkpoint = { origin, treeSize: 7, rootHash: rootFromLeaves([leafHash(utf8('x'))]) };
  const signed = signCheckpoint(checkpoint, origin, key.sign, key.spki);
  const keys = [{ name: origin, publicKey: key.spki }];
  const text = checkpointText(checkpoint);
  const sign = (name: string, by = key, message = text) =>
    noteSignatureLine(name, checkpointKeyId(name, by.spki), by.sign(utf8(message)));

  it('are read as they were signed', () => {
    expect(verifyCheckpoint(signed, keys)).toEqual(checkpoint);
    expect(signed).toBe(`${text}\n${sign(origin)}`);
  });

  it('may carry signatures of witnesses we do not know, and extension lines', () => {
    const extended = `${text}extra line\n`;

    expect(verifyCheckpoint(`${text}\n${sign('witness.test', ed25519Key())}${sign(origin)}`, keys)).toEqual(
      checkpoint,
    );
    expect(verifyCheckpoint(`${extended}\n${sign(origin, key, extended)}`, keys)).toEqual(checkpoint);
    expect(parseCheckpoint(`${extended}\n${sign(origin, key, extended)}`).extensions).toEqual(['extra line']);
  });

  it.each([
    ['another key', () => `${text}\n${sign(origin, ed25519Key())}`],
    ['another name', () => `${text}\n${sign('other.example.test')}`],
    ['another text', () => `${text}\n${sign(origin, key, `${text}more\n`)}`],
    [
      'a wrong signature of ours beside a right one',
      () => `${text}\n${sign(origin)}${sign(origin, key, 'no')}`,
    ],
    ['no known signature', () => `${text}\n${sign('witness.test', ed25519Key())}`],
  ])('are refused with %s', (_, make) => {
    let kind: string | undefined;
    try {
      verifyCheckpoint(make(), keys);
    } catch (error) {
      kind = isFault(error) ? error.kind : 'other';
    }

    expect(kind).toBe('integrity');
  });

  it('are refused when a key of ours signs for another origin', () => {
    const other = checkpointText({ ...checkpoint, origin: 'other.example.test' });

    expect(() => verifyCheckpoint(`${other}\n${sign(origin, key, other)}`, keys)).toThrow(/signed by a log/);
  });

  it.each([
    ['nothing', ''],
    ['no signature', text],
    ['an empty signature block', `${text}\n`],
    ['no final newline', signed.slice(0, -1)],
    ['Windows newlines', signed.replaceAll('\n', '\r\n')],
    ['a hyphen for the dash', signed.replace('\u2014', '-')],
    ['two spaces', signed.replace('\u2014 ', '\u2014  ')],
    ['a leading zero in the size', signed.replace('\n7\n', '\n07\n')],
    ['a sign in the size', signed.replace('\n7\n', '\n+7\n')],
    ['a size beyond 2^53', signed.replace('\n7\n', '\n9999999999999999\n')],
    ['a short root hash', signed.replace(/\n[A-Za-z0-9+/]{43}=\n/, '\nAAAA\n')],
    ['an empty extension line', signed.replace(/=\n\n/, '=\n\n\n')],
    ['a tab', signed.replace('\n7', '\t\n7')],
    ['text behind the signatures', `${signed}tail\n`],
    ['seventeen signatures', `${text}\n${sign('w.test').repeat(17)}`],
  ])('are not read with %s', (_, hostile) => {
    expect(() => parseCheckpoint(hostile)).toThrow(/expected/);
  });

  it('are not signed with a key that is not the one announced', () => {
    expect(() => signCheckpoint(checkpoint, origin, key.sign, ed25519Key().spki)).toThrow(
      /not by the given log key/,
    );
  });
});
