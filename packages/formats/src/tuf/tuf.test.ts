import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { p256Key, type TestKey } from '../../test-support/evidence.ts';
import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { digestHex, digestOf } from '../bytes/digest.ts';
import { fromBase64, fromHex } from '../bytes/encodings.ts';
import { verifyP256 } from '../crypto/signatures.ts';
import { isFault } from '../fault.ts';
import { olpcJson } from './canonical.ts';
import { parseTuf, type TufRoot, writeTuf } from './metadata.ts';
import { verifyTuf } from './repository.ts';
import { tufRoot } from './root.ts';

const now = new Date('2026-03-01T00:00:00Z');
const later = '2026-04-01T00:00:00Z';
const rootKeys = [p256Key(), p256Key(), p256Key()];
const onlineKey = p256Key();

function rootOf(version: number, keys: readonly TestKey[], threshold: number, expires = later): TufRoot {
  return tufRoot({
    version,
    expires: new Date(expires),
    rootKeys: keys.map(({ spki }) => spki),
    threshold,
    targetsKey: onlineKey.spki,
    onlineKey: onlineKey.spki,
  });
}

const signed = (payload: Parameters<typeof writeTuf>[0], ...keys: readonly TestKey[]): Uint8Array =>
  writeTuf(
    payload,
    keys.map(({ spki, sign }) => ({ publicKeySpki: spki, sign })),
  );

const named = (bytes: Uint8Array, version = 1) => ({
  length: bytes.length,
  hashes: { sha256: digestHex(digestOf(bytes)) },
  version,
});

/** A repository with one target, as it would be served. */
function repository(): Map<string, Uint8Array> {
  const target = utf8('{"trust":"this"}');
  const { length, hashes } = named(target);
  const common = { spec_version: '1.0.31', version: 1, expires: later } as const;
  const targets = signed(
    { _type: 'targets', ...common, targets: { 'trusted_root.json': { length, hashes } } },
    onlineKey,
  );
  const snapshot = signed(
    { _type: 'snapshot', ...common, meta: { 'targets.json': named(targets) } },
    onlineKey,
  );
  const timestamp = signed(
    { _type: 'timestamp', ...common, meta: { 'snapshot.json': named(snapshot) } },
    onlineKey,
  );
  return new Map([
    ['1.root.json', signed(rootOf(1, rootKeys, 2), ...rootKeys.slice(0, 2))],
    ['1.targets.json', targets],
    ['1.snapshot.json', snapshot],
    ['timestamp.json', timestamp],
    [`targets/${hashes.sha256}.trusted_root.json`, target],
  ]);
}

const verify = (files: Map<string, Uint8Array>, at = now) =>
  verifyTuf(async (path) => files.get(path), files.get('1.root.json') ?? new Uint8Array(), at);

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('canonical JSON of TUF', () => {
  it('is what the public instance of Sigstore signed its root over', () => {
    // The root that @sigstore/tuf carries for its default mirror.
    const seeds = createRequire(import.meta.url)('@sigstore/tuf/seeds.json');
    const seed = seeds['https://tuf-repo-cdn.sigstore.dev']['root.json'];
    const root = JSON.parse(Buffer.from(seed, 'base64').toString('utf8'));
    const bytes = olpcJson(root.signed);

    const good = root.signatures.filter((each: { keyid: string; sig: string }) => {
      const pem: string = root.signed.keys[each.keyid]?.keyval.public ?? '';
      const spki = fromBase64(pem.replace(/-----[A-Z ]+-----|\n/g, ''));
      return each.sig !== '' && verifyP256(spki, bytes, fromHex(each.sig));
    });

    expect(good.length).toBeGreaterThanOrEqual(root.signed.roles.root.threshold);
  });

  it('is read back by JSON as the same value, wherever JSON allows the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme-ascii' })), fc.maxSafeInteger(), (texts, number) => {
        const value = { b: texts, a: number, c: [true, null] };
        expect(JSON.parse(fromUtf8(olpcJson(value)))).toEqual(value);
      }),
    );
  });

  it.each([[1.5], [Number.NaN], [-0], [{ ü: 1 }], [{ a: undefined }], ['\ud800'], [10n]])(
    'refuses %o',
    (value) => {
      expect(() => olpcJson(value)).toThrow(/canonical JSON of TUF/);
    },
  );
});

describe('a repository', () => {
  it('verifies from its first root, and gives the targets', async () => {
    const verified = await verify(repository());

    expect(verified.versions).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 1 });
    expect(fromUtf8(verified.targets.get('trusted_root.json') ?? utf8(''))).toBe('{"trust":"this"}');
  });

  it('follows a rotation of root keys that old and new ones signed', async () => {
    const files = repository();
    const fresh = [p256Key(), p256Key()];
    files.set('2.root.json', signed(rootOf(2, fresh, 2), ...rootKeys.slice(1), ...fresh));

    expect((await verify(files)).versions.root).toBe(2);
  });

  const fresh = p256Key();
  const old = rootKeys[0] ?? fresh;
  it.each<[string, (files: Map<string, Uint8Array>) => void, string]>([
    [
      'a root by fewer keys than its threshold',
      (f) => f.set('1.root.json', signed(rootOf(1, rootKeys, 2), old)),
      'formats.tuf_signatures',
    ],
    [
      'one key twice in place of two',
      (f) => f.set('1.root.json', signed(rootOf(1, rootKeys, 2), old, old)),
      'formats.tuf_signatures',
    ],
    [
      'a next root that the old keys did not sign',
      (f) => f.set('2.root.json', signed(rootOf(2, [fresh], 1), fresh)),
      'formats.tuf_signatures',
    ],
    [
      'a next root that its own keys did not sign',
      (f) => f.set('2.root.json', signed(rootOf(2, [fresh], 1), ...rootKeys)),
      'formats.tuf_signatures',
    ],
    [
      'a next root that skips a version',
      (f) => f.set('2.root.json', signed(rootOf(3, rootKeys, 2), ...rootKeys)),
      'formats.tuf_version',
    ],
    [
      'a next root that has ended',
      (f) => f.set('2.root.json', signed(rootOf(2, rootKeys, 2, '2026-02-01T00:00:00Z'), ...rootKeys)),
      'formats.tuf_expired',
    ],
    ['a role file that is missing', (f) => f.delete('1.snapshot.json'), 'formats.tuf_missing'],
    [
      'a snapshot with another length',
      (f) => f.set('1.snapshot.json', utf8(`${fromUtf8(f.get('1.snapshot.json') ?? utf8(''))} `)),
      'formats.tuf_differs',
    ],
    [
      'a target with other bytes',
      (f) => {
        for (const path of f.keys()) if (path.startsWith('targets/')) f.set(path, utf8('{"trust":"that"}'));
      },
      'formats.tuf_differs',
    ],
    [
      'a timestamp by a key of another role',
      (f) =>
        f.set(
          'timestamp.json',
          signed(parseTuf('timestamp', f.get('timestamp.json') ?? utf8('')).signed, old),
        ),
      'formats.tuf_signatures',
    ],
    [
      'a snapshot in the place of the timestamp',
      (f) => f.set('timestamp.json', f.get('1.snapshot.json') ?? utf8('')),
      'formats.shape',
    ],
  ])('is refused with %s', async (_what, change, code) => {
    const files = repository();
    change(files);

    expect(await codeOf(verify(files))).toBe(code);
  });

  it('is refused when any of it has ended', async () => {
    expect(await codeOf(verify(repository(), new Date(later)))).toBe('formats.tuf_expired');
  });

  it('is refused with any byte of its metadata changed', async () => {
    const files = repository();
    const paths = ['1.root.json', '1.targets.json', '1.snapshot.json', 'timestamp.json'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.nat(),
        fc.integer({ min: 1, max: 127 }),
        async (path, at, flip) => {
          const bytes = Uint8Array.from(files.get(path) ?? []);
          const index = at % (bytes.length - 1);
          bytes[index] = (bytes[index] ?? 0) ^ flip;
          const code = await codeOf(verify(new Map(files).set(path, bytes)));
          // One of two signatures of the root may go: the threshold is then not reached, so that refuses too.
          expect(code).not.toBe('accepted');
        },
      ),
      { numRuns: 60 },
    );
  });
});
