import { beforeAll, describe, expect, it } from 'vitest';
import { type TestInstallation, testInstallation, testStatement } from '../../test-support/evidence.ts';
import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { digestOf } from '../bytes/digest.ts';
import { fromBase64, toBase64 } from '../bytes/encodings.ts';
import { isFault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import { parseTrustRoot, type TrustRoot } from '../trust/trust-root.ts';
import { verifyBundle } from './bundle.ts';

/**
 * The promise of the verifier: any single changed byte of artifact, statement, signature, proof, checkpoint, bundle or
 * trust root makes verification fail. Exhaustive over bytes, eight bit flips each; no sampling.
 */

const artifact = utf8('the artifact');
let installation: TestInstallation;
let bundle: string;

beforeAll(() => {
  installation = testInstallation();
  [bundle = ''] = installation.seal(testStatement(), testStatement('https://example.test/other/v1'));
});

function verify(text: string, trustRoot: TrustRoot = installation.trustRoot, bytes = artifact) {
  return verifyBundle(text, trustRoot, { expectSubject: digestOf(bytes) });
}

/** Calls `accepts` with every version of `bytes` that has one bit flipped and gives the places where it did not throw. */
function survivors(bytes: Uint8Array, accepts: (changed: Uint8Array) => void): string[] {
  const survived: string[] = [];
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (bytes[at] ?? 0) ^ (1 << bit);
      try {
        accepts(changed);
        survived.push(`byte ${at}, bit ${bit}`);
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }
  }
  return survived;
}

/** The document with the base64 (or plain text) at `path` replaced, in canonical form again. */
function replaced(document: string, path: readonly (string | number)[], value: string): string {
  const json = JSON.parse(document);
  let parent = json;
  for (const key of path.slice(0, -1)) parent = parent[key];
  parent[path.at(-1) ?? ''] = value;
  return canonicalJson(json);
}

function valueAt(document: string, path: readonly (string | number)[]): string {
  return path.reduce((value, key) => value[key], JSON.parse(document));
}

const entry = ['verificationMaterial', 'tlogEntries', 0] as const;
const encodedParts: Record<string, readonly (string | number)[]> = {
  'the statement': ['dsseEnvelope', 'payload'],
  'the signature': ['dsseEnvelope', 'signatures', 0, 'sig'],
  'the leaf': [...entry, 'canonicalizedBody'],
  'the log key id': [...entry, 'logId', 'keyId'],
  'the root hash': [...entry, 'inclusionProof', 'rootHash'],
  'the first hash of the proof': [...entry, 'inclusionProof', 'hashes', 0],
  'the second hash of the proof': [...entry, 'inclusionProof', 'hashes', 1],
  'the third hash of the proof': [...entry, 'inclusionProof', 'hashes', 2],
};

describe('verifyBundle', () => {
  it('accepts the untouched evidence', () => {
    const verified = verify(bundle, parseTrustRoot(installation.trustRootText));

    expect(verified.subject).toBe(digestOf(artifact));
    expect(verified.logIndex).toBe(2);
    expect(verified.treeSize).toBe(5);
    expect(valueAt(bundle, [...entry, 'inclusionProof', 'hashes']).length).toBe(3);
  });

  it('fails for every flipped bit of the artifact', () => {
    expect(survivors(artifact, (changed) => verify(bundle, installation.trustRoot, changed))).toEqual([]);
  });

  it('fails for every flipped bit of the bundle', () => {
    expect(survivors(utf8(bundle), (changed) => verify(fromUtf8(changed)))).toEqual([]);
  });

  it.each(Object.entries(encodedParts))('fails for every flipped bit inside %s', (_, path) => {
    const bytes = fromBase64(valueAt(bundle, path));
    expect(bytes.length).toBeGreaterThan(0);

    expect(survivors(bytes, (changed) => verify(replaced(bundle, path, toBase64(changed))))).toEqual([]);
  });

  it('fails for every flipped bit inside the checkpoint, with the JSON around it intact', () => {
    const path = [...entry, 'inclusionProof', 'checkpoint', 'envelope'];
    const checkpoint = utf8(valueAt(bundle, path));

    expect(survivors(checkpoint, (changed) => verify(replaced(bundle, path, fromUtf8(changed))))).toEqual([]);
  });

  it('fails for every flipped bit inside the signature of the checkpoint', () => {
    const path = [...entry, 'inclusionProof', 'checkpoint', 'envelope'];
    const checkpoint = valueAt(bundle, path);
    const encoded = checkpoint.trimEnd().split(' ').at(-1) ?? '';

    const survived = survivors(fromBase64(encoded), (changed) =>
      verify(replaced(bundle, path, checkpoint.replace(encoded, toBase64(changed)))),
    );

    expect(survived).toEqual([]);
  });

  it('fails for every flipped bit of the trust root', () => {
    const survived = survivors(utf8(installation.trustRootText), (changed) =>
      verify(bundle, parseTrustRoot(fromUtf8(changed))),
    );

    expect(survived).toEqual([]);
  });

  it.each([
    ['the evidence key', ['payload', 'keys', 0, 'publicKey']],
    ['the log key', ['payload', 'logs', 0, 'publicKey']],
    ['the log key id', ['payload', 'logs', 0, 'keyId']],
    ['its signature', ['signature', 'value']],
  ])('fails for every flipped bit inside %s of the trust root', (_, path) => {
    const document = installation.trustRootText;

    const survived = survivors(fromBase64(valueAt(document, path)), (changed) =>
      verify(bundle, parseTrustRoot(replaced(document, path, toBase64(changed)))),
    );

    expect(survived).toEqual([]);
  });

  it('fails when any character is left out, doubled or followed by another', () => {
    const survived: number[] = [];
    for (let at = 0; at <= bundle.length; at++) {
      for (const text of [
        bundle.slice(0, at) + bundle.slice(at + 1),
        bundle.slice(0, at) + (bundle[at] ?? ' ') + bundle.slice(at),
        `${bundle.slice(0, at)} ${bundle.slice(at)}`,
      ]) {
        if (text === bundle) continue;
        try {
          verify(text);
          survived.push(at);
        } catch (error) {
          if (!isFault(error)) throw error;
        }
      }
    }

    expect(survived).toEqual([]);
  });

  it('fails for another log index or tree size, told alike in both places', () => {
    for (let index = 0; index < 8; index++) {
      for (let size = 0; size < 8; size++) {
        if (index === 2 && size === 5) continue;
        const json = JSON.parse(bundle);
        const [item] = json.verificationMaterial.tlogEntries;
        item.logIndex = String(index);
        item.inclusionProof.logIndex = String(index);
        item.inclusionProof.treeSize = String(size);
        expect(() => verify(canonicalJson(json))).toThrow();
      }
    }
  });
});
