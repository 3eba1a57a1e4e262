import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  authority,
  certificate,
  name,
  purpose,
  signs,
  signsCertificates,
  type TestExtension,
  timestampResponse,
} from '../../test-support/certificates.ts';
import { p256Key } from '../../test-support/evidence.ts';
import { parseDer } from '../asn1/parse.ts';
import { der } from '../asn1/write.ts';
import { utf8 } from '../bytes/bytes.ts';
import { isFault } from '../fault.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { parseTimestampResponse } from './token.ts';
import { verifyTimestamp } from './verify.ts';

const timeStamping = '1.3.6.1.5.5.7.3.8';
const signature = utf8('a signature');
const at = new Date('2026-06-01T00:00:00Z');
const [from, to] = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')];
const rootKey = p256Key();
const root = { name: name('clock root'), key: rootKey };
const rootRaw = certificate({
  subject: root.name,
  spki: rootKey.spki,
  issuer: root,
  from,
  to,
  extensions: [authority(), signsCertificates],
});

function signer(extensions: readonly TestExtension[], serial = 5) {
  const key = p256Key();
  const subject = name('clock');
  const options = { subject, spki: key.spki, issuer: root, from, to, serial, extensions };
  return { key, serial, issuerName: root.name, certificate: certificate(options) };
}

const clock = signer([signs, { ...purpose(timeStamping), critical: true }]);
const named = { chain: [clock.certificate, rootRaw].map(parseCertificate) };
const rootOnly = { chain: [parseCertificate(rootRaw)] };
const always = (): boolean => true;

describe('a timestamp', () => {
  it('proves when the bytes existed, by a certificate that the trust root names or that came along', () => {
    const bare = timestampResponse({ signature, at, signer: clock });
    const embedded = timestampResponse({ signature, at, signer: clock, embed: true });
    expect(verifyTimestamp(bare, signature, [rootOnly, named], always)).toEqual({
      time: at.getTime(),
      authority: named,
    });
    expect(verifyTimestamp(embedded, signature, [named], always).time).toBe(at.getTime());
    expect(verifyTimestamp(embedded, signature, [rootOnly], always).authority).toBe(rootOnly);
  });

  it('is refused for other bytes, by others, at another time, or by a certificate for something else', () => {
    const make = (more: Partial<Parameters<typeof timestampResponse>[0]> = {}): Uint8Array =>
      timestampResponse({ signature, at, signer: clock, embed: true, ...more });
    const critical = { ...purpose(timeStamping), critical: true };
    const impostor = { ...clock, key: p256Key() };
    const refused: readonly (readonly [string, () => unknown])[] = [
      ['other bytes', () => verifyTimestamp(make(), utf8('another'), [named], always)],
      ['no authority', () => verifyTimestamp(make(), signature, [], always)],
      ['not trusted then', () => verifyTimestamp(make(), signature, [named], () => false)],
      ['not embedded', () => verifyTimestamp(make({ embed: false }), signature, [rootOnly], always)],
      [
        'before the certificate',
        () => verifyTimestamp(make({ at: new Date('2025-12-31T23:59:59Z') }), signature, [named], always),
      ],
      [
        'after the certificate',
        () => verifyTimestamp(make({ at: new Date('2027-01-01T00:00:01Z') }), signature, [named], always),
      ],
      ['another key', () => verifyTimestamp(make({ signer: impostor }), signature, [named], always)],
      [
        'another certificate than the named one',
        () => verifyTimestamp(make({ signer: signer([signs, critical]) }), signature, [named], always),
      ],
      [
        'purpose that is not critical',
        () =>
          verifyTimestamp(
            make({ signer: signer([signs, purpose(timeStamping)]) }),
            signature,
            [rootOnly],
            always,
          ),
      ],
      [
        'two purposes',
        () =>
          verifyTimestamp(
            make({
              signer: signer([signs, { ...purpose(timeStamping, '1.3.6.1.5.5.7.3.3'), critical: true }]),
            }),
            signature,
            [rootOnly],
            always,
          ),
      ],
      ['no purpose', () => verifyTimestamp(make({ signer: signer([signs]) }), signature, [rootOnly], always)],
    ];
    for (const [what, work] of refused) {
      expect(work, what).toThrow(expect.objectContaining({ kind: 'integrity' }));
    }
  });

  it('that was not granted is none', () => {
    const [, token] = parseDer(timestampResponse({ signature, at, signer: clock })).children;
    const rejected = der.sequence(der.sequence(der.integer(2)), token?.bytes ?? Uint8Array.of());
    expect(() => parseTimestampResponse(rejected)).toThrow('status 2');
    expect(() => parseTimestampResponse(der.sequence(der.sequence(der.integer(0))))).toThrow('token');
  });

  it('is refused with any byte changed, cut or added', () => {
    const genuine = timestampResponse({ signature, at, signer: clock });
    const tried = (bytes: Uint8Array): string => {
      try {
        verifyTimestamp(bytes, signature, [named], always);
        return 'accepted';
      } catch (error) {
        return isFault(error) && (error.kind === 'integrity' || error.kind === 'invalid')
          ? 'refused'
          : 'broken';
      }
    };
    // The TSTInfo is signed byte by byte; around it nothing may change but what nobody reads.
    const accepted: number[] = [];
    for (let index = 0; index < genuine.length; index++) {
      const bytes = Uint8Array.from(genuine);
      bytes[index] = (bytes[index] ?? 0) ^ 0x01;
      const outcome = tried(bytes);
      expect(outcome).not.toBe('broken');
      if (outcome === 'accepted') accepted.push(index);
    }
    // Versions of structures, the status, and the list of hashes in front say nothing that is believed.
    expect(accepted.length).toBeLessThan(16);
    fc.assert(
      fc.property(
        fc.nat({ max: genuine.length - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        (cut, junk) => {
          expect(tried(genuine.subarray(0, cut))).toBe('refused');
          expect(tried(Uint8Array.of(...genuine, ...junk))).toBe('refused');
        },
      ),
      { numRuns: 50 },
    );
  });
});
