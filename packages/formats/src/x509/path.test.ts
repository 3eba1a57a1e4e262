import { describe, expect, it } from 'vitest';
import {
  authority,
  certificate,
  name,
  purpose,
  signs,
  signsCertificates,
  type TestAuthority,
  type TestExtension,
} from '../../test-support/certificates.ts';
import { p256Key, type TestKey } from '../../test-support/evidence.ts';
import { parseDer } from '../asn1/parse.ts';
import { der } from '../asn1/write.ts';
import { parseCertificate } from './certificate.ts';
import { oids } from './oids.ts';
import { verifyPath } from './path.ts';

const [from, to] = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')];
const at = Date.parse('2026-06-01T00:00:00Z');
const usual = [authority(), signsCertificates];

interface Node extends TestAuthority {
  readonly raw: Uint8Array;
}

function make(
  called: string,
  issuer: TestAuthority | undefined,
  extensions: readonly TestExtension[],
  more: { readonly key?: TestKey; readonly from?: Date; readonly to?: Date; readonly signer?: TestKey } = {},
): Node {
  const key = more.key ?? p256Key();
  const own = { name: name(called), key };
  const by = issuer ?? own;
  const raw = certificate({
    subject: own.name,
    spki: key.spki,
    issuer: { name: by.name, key: more.signer ?? by.key },
    from: more.from ?? from,
    to: more.to ?? to,
    extensions,
  });
  return { ...own, raw, certificate: raw };
}

const root = make('root', undefined, usual);
const leafExtensions = [signs, purpose(oids.codeSigning)];

function path(leaf: Node, intermediates: readonly Node[], anchors: readonly Node[] = [root], when = at) {
  return verifyPath({
    leaf: parseCertificate(leaf.raw),
    intermediates: intermediates.map(({ raw }) => parseCertificate(raw)),
    anchors: anchors.map(({ raw }) => parseCertificate(raw)),
    at: when,
    purpose: oids.codeSigning,
  });
}

describe('a path', () => {
  it('leads from leaf to anchor, whatever else lies between and whoever else has the name', () => {
    const middle = make('middle', root, [authority(0), signsCertificates, purpose(oids.codeSigning)]);
    const twin = make('middle', root, usual);
    const stray = make('stray', root, usual);
    const leaf = make('leaf', middle, leafExtensions);
    expect(path(leaf, [stray, twin, middle]).map(({ subject }) => subject)).toEqual([
      leaf.name,
      middle.name,
      root.name,
    ]);
    expect(path(make('leaf', root, leafExtensions), [])).toHaveLength(2);
    expect(path(leaf, [middle], [root], from.getTime())).toHaveLength(3);
    expect(path(leaf, [middle], [root], to.getTime())).toHaveLength(3);
  });

  it('is refused when a certificate of it must not be there', () => {
    const below = (extensions: readonly TestExtension[], more: Parameters<typeof make>[3] = {}) => {
      const middle = make('middle', root, extensions, more);
      return [make('leaf', middle, leafExtensions), [middle]] as const;
    };
    const nameConstraints = { oid: oids.nameConstraints, critical: true, value: der.sequence() };
    const cases: readonly (readonly [string, readonly [Node, readonly Node[]]])[] = [
      ['no issuer', [make('leaf', make('gone', root, usual), leafExtensions), []]],
      ['issuer signed by somebody else', below(usual, { signer: p256Key() })],
      ['issuer that is no authority', below([signsCertificates])],
      [
        'issuer whose constraints say it is none',
        below([{ oid: oids.basicConstraints, critical: true, value: der.sequence() }, signsCertificates]),
      ],
      ['issuer that may not sign certificates', below([authority(), signs])],
      ['issuer for another purpose', below([...usual, purpose(oids.timeStamping)])],
      [
        'issuer with a critical extension nobody knows',
        below([...usual, { oid: '1.2.3', critical: true, value: der.null() }]),
      ],
      ['issuer with name constraints', below([...usual, nameConstraints])],
      ['issuer that ended', below(usual, { to: new Date('2026-05-31T23:59:59Z') })],
      ['issuer that has not begun', below(usual, { from: new Date('2026-06-01T00:00:01Z') })],
      ['leaf that is an authority', [make('leaf', root, [...leafExtensions, authority()]), []]],
      ['leaf without purpose', [make('leaf', root, [signs]), []]],
      ['leaf for another purpose', [make('leaf', root, [signs, purpose(oids.timeStamping)]), []]],
      ['leaf that may not sign', [make('leaf', root, [signsCertificates, purpose(oids.codeSigning)]), []]],
      ['leaf without key usage', [make('leaf', root, [purpose(oids.codeSigning)]), []]],
      [
        'leaf with a critical extension nobody knows',
        [make('leaf', root, [...leafExtensions, { oid: '1.2.3', critical: true, value: der.null() }]), []],
      ],
      ['leaf that ended', [make('leaf', root, leafExtensions, { to: new Date('2026-05-31T23:59:59Z') }), []]],
      ['leaf that nobody signed', [make('leaf', root, leafExtensions, { signer: p256Key() }), []]],
    ];
    for (const [what, [leaf, intermediates]] of cases) {
      expect(() => path(leaf, intermediates), what).toThrow(
        expect.objectContaining({ kind: 'integrity', code: 'formats.certificate_path' }),
      );
    }
  });

  it('is bounded by the path length of an authority, by its own length, and by the attempts it takes', () => {
    const first = make('first', root, [authority(0), signsCertificates]);
    const second = make('second', first, usual);
    expect(() => path(make('leaf', second, leafExtensions), [first, second])).toThrow(
      'within its length limit',
    );

    const chain: Node[] = [];
    for (let i = 0; i < 6; i++) chain.push(make(`a${i}`, chain.at(-1) ?? root, usual));
    const [last, fifth] = [chain.at(-1), chain.at(-2)];
    if (last === undefined || fifth === undefined) throw new Error('the chain was made');
    expect(path(make('leaf', fifth, leafExtensions), chain)).toHaveLength(7);
    expect(() => path(make('leaf', last, leafExtensions), chain)).toThrow('an issuer that is trusted');

    // Authorities that signed each other, all with one name: without a bound, every order of them is a path to try.
    const key = p256Key();
    const loop = Array.from({ length: 9 }, () => make('loop', undefined, usual, { key }));
    const start = performance.now();
    expect(() => path(make('leaf', { ...(loop[0] as Node), key }, leafExtensions), loop)).toThrow('attempts');
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('a certificate', () => {
  it('is refused with an extension twice, a critical flag that is false, or another algorithm outside', () => {
    const twice = make('leaf', root, [signs, signs]).raw;
    expect(() => parseCertificate(twice)).toThrow('each extension once');

    const good = make('leaf', root, leafExtensions).raw;
    expect(parseCertificate(good).notBefore).toBe(from.getTime());
    const [tbs, , signature] = splitSequence(good);
    const sha384 = der.sequence(der.oid('1.2.840.10045.4.3.3'));
    expect(() => parseCertificate(der.sequence(tbs, sha384, signature))).toThrow(
      'algorithm of the signed part',
    );
    const sha1 = der.sequence(der.oid('1.2.840.113549.1.1.5'));
    expect(() => parseCertificate(der.sequence(tbs, sha1, signature))).toThrow();
    expect(() => parseCertificate(der.sequence(tbs, sha384, signature, der.null()))).toThrow(
      'the end of certificate',
    );
  });

  it('of a path is another one with a byte of its signature changed', () => {
    const leaf = make('leaf', root, leafExtensions);
    const flipped = Uint8Array.from(leaf.raw);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    expect(() => path({ ...leaf, raw: flipped }, [])).toThrow();
  });
});

function splitSequence(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const [tbs, algorithm, signature] = parseDer(bytes).children.map((child) => child.bytes);
  if (tbs === undefined || algorithm === undefined || signature === undefined) throw new Error('three parts');
  return [tbs, algorithm, signature];
}
