import { describe, expect, it } from 'vitest';
import { keyHint, p256Key, testInstallation, testStatement } from '../../test-support/evidence.ts';
import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { toBase64 } from '../bytes/encodings.ts';
import { hashedRekordBody } from '../sigstore/hashedrekord.ts';
import { inTotoPayloadType, pae, parseEnvelope, signEnvelope } from './envelope.ts';
import { parseStatement, statementBytes } from './statement.ts';

describe('pae', () => {
  it('is the example of the DSSE specification', () => {
    const encoded = pae('http://example.com/HelloWorld', utf8('hello world'));

    expect(fromUtf8(encoded)).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('counts bytes, and never encodes two pairs alike', () => {
    expect(fromUtf8(pae('ü', utf8('ä')))).toBe('DSSEv1 2 ü 2 ä');
    expect(pae('a', utf8('b 1 c'))).not.toEqual(pae('a 5 b', utf8('c')));
  });
});

describe('envelopes', () => {
  const signature = { keyid: keyHint, sig: 'AAAA' };
  const envelope = { payload: 'e30=', payloadType: inTotoPayloadType, signatures: [signature] };

  it('are read with exactly one signature', () => {
    expect(parseEnvelope(JSON.stringify(envelope))).toEqual({
      payload: utf8('{}'),
      payloadType: inTotoPayloadType,
      keyHint,
      signature: new Uint8Array(3),
    });
  });

  it.each([
    ['no signature', { ...envelope, signatures: [] }],
    ['two signatures', { ...envelope, signatures: [signature, signature] }],
    ['no key hint', { ...envelope, signatures: [{ sig: 'AAAA' }] }],
    ['URL-safe base64', { ...envelope, payload: '_-8=' }],
    ['an unknown key', { ...envelope, extra: 1 }],
    ['a payload that is an object', { ...envelope, payload: {} }],
  ])('are refused with %s', (_, json) => {
    expect(() => parseEnvelope(JSON.stringify(json))).toThrow(/expected/);
  });

  it('are not made with a key that is not the one announced', () => {
    const content = { payloadType: inTotoPayloadType, payload: utf8('{}'), keyHint };

    expect(() => signEnvelope(content, p256Key().sign, p256Key().spki)).toThrow(/not by the given key/);
  });
});

describe('statements', () => {
  const statement = testStatement();
  const text = fromUtf8(statementBytes(statement));

  it('are read as they were written', () => {
    expect(parseStatement(utf8(text))).toEqual(statement);
  });

  it.each([
    ['another type', text.replace('Statement/v1', 'Statement/v0.1')],
    ['white space', text.replace(':', ': ')],
    ['two subjects', text.replace(/"subject":\[(.*?\})\]/, '"subject":[$1,$1]')],
    ['no subject', text.replace(/"subject":\[.*?\}\]/, '"subject":[]')],
    ['a second digest', text.replace('"digest":{', '"digest":{"sha1":"00",')],
    ['upper-case digits', text.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${'A'.repeat(64)}"`)],
    ['a predicate that is a list', text.replace(/"predicate":\{.*?\}/, '"predicate":[]')],
    ['a predicate type that is no URI', text.replace('https://example.test/predicate/v1', 'x')],
    ['a duplicate key', text.replace('{"_type"', '{"_type":"x","_type"')],
    ['data behind it', `${text} `],
  ])('are refused with %s', (_, hostile) => {
    expect(hostile).not.toBe(text);
    expect(() => parseStatement(utf8(hostile))).toThrow(/expected/);
  });
});

describe('hashedRekordBody', () => {
  it('is byte for byte what Rekor v2 writes', () => {
    const { evidenceKey } = testInstallation();
    const body = hashedRekordBody({
      paeDigest: new Uint8Array(32),
      signature: Uint8Array.of(1, 2, 3),
      publicKeySpki: evidenceKey.spki,
    });

    expect(fromUtf8(body)).toBe(
      `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"${'A'.repeat(43)}="},"signature":{"content":"AQID","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"${toBase64(evidenceKey.spki)}"}}}}}}`,
    );
  });
});
