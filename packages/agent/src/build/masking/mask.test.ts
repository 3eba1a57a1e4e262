import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMask } from './mask.ts';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));

function masked(
  secrets: readonly string[],
  input: string | Uint8Array,
  cuts: readonly number[] = [],
): string {
  const mask = createMask(secrets.map(bytes));
  const all = typeof input === 'string' ? bytes(input) : input;
  const out: Uint8Array[] = [];
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length]) {
    out.push(Uint8Array.from(mask.push(all.subarray(from, cut))));
    from = cut;
  }
  out.push(mask.end());
  return Buffer.concat(out).toString();
}

const secret = 'p@ss/w"ör d+7=!';

describe('mask', () => {
  it('leaves a log without secrets untouched', () => {
    expect(masked([], 'hello\n')).toBe('hello\n');
    expect(masked(['hunter22'], 'hello hunt\ners hunter2\n')).toBe('hello hunt\ners hunter2\n');
  });

  it('replaces a value once, and overlapping values together', () => {
    expect(masked(['hunter22'], 'a hunter22 b hunter22')).toBe('a *** b ***');
    expect(masked(['abcdef', 'defghi'], '<abcdefghi>')).toBe('<***>');
    expect(masked(['aa'], 'xaaaaax')).toBe('x***x');
  });

  it('does not let the rest spell the secret again', () => {
    expect(masked(['secret'], 'sesecretcret')).not.toContain('secret');
    expect(masked(['*'], 'a*b')).toBe('a•••b');
  });

  it.each([
    ['plain', secret],
    ['base64', Buffer.from(secret).toString('base64')],
    ['base64 with a prefix', Buffer.from(`u:${secret}`).toString('base64')],
    ['base64 with another prefix', Buffer.from(`user:${secret}:more`).toString('base64')],
    ['base64url', Buffer.from(secret).toString('base64url')],
    ['URL component', encodeURIComponent(secret)],
    ['URL, lower case', encodeURIComponent(secret).toLowerCase()],
    ['form', new URLSearchParams({ a: secret }).toString()],
    ['JSON', JSON.stringify({ a: secret })],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ a: secret }))],
    ['JSON in ASCII', JSON.stringify(secret).replace('ö', '\\u00f6')],
    ['hex', Buffer.from(secret).toString('hex')],
    ['HEX', Buffer.from(secret).toString('hex').toUpperCase()],
    ['HTML', secret.replace('"', '&quot;')],
  ])('masks the value as %s', (_, text) => {
    const out = masked([secret], `before ${text} after`);

    expect(out).toContain('***');
    expect(out.length).toBeLessThan('before  after'.length + 24);
  });

  it('masks base64 that a tool wrapped at 76 columns', () => {
    const long = 'k'.repeat(40) + 'Q7'.repeat(60);
    const lines =
      Buffer.from(long)
        .toString('base64')
        .match(/.{1,76}/g) ?? [];

    expect(masked([long], `x\n${lines.join('\n')}\ny`)).toBe('x\n***\ny');
    expect(masked([long], `x\n${lines.join('\r\n')}\ny`)).toBe('x\n***\ny');
  });

  it('masks each line of a key file, and the file as JSON prints it', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n';

    expect(masked([key], 'x MIIEvQIBADANBgkq y')).toBe('x *** y');
    expect(masked([key], JSON.stringify({ key }))).not.toContain('hkiG9w0BAQEFAASC');
    expect(masked([key], Buffer.from('hkiG9w0BAQEFAASC').toString('base64'))).toBe('***');
  });

  it('masks the signature of an identity token on its own', () => {
    const signature = 'QmFzZTY0VXJsU2lnbmF0dXJlQnl0ZXM';

    expect(masked([`eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.${signature}`], `sig=${signature};`)).toBe(
      'sig=***;',
    );
  });

  it('shows no beginning of a secret where the stream is cut', () => {
    expect(masked(['correct-horse-battery'], 'pass: correct-horse-ba')).toBe('pass: ***');
  });

  it('masks a binary secret', () => {
    const value = Uint8Array.from([0, 255, 254, 10, 13, 200, 1]);
    const mask = createMask([value]);

    const out = Buffer.concat([mask.push(Buffer.concat([bytes('a'), value, bytes('b')])), mask.end()]);

    expect(out.includes(Buffer.from(value))).toBe(false);
  });

  it('holds back no more than the longest form while a flood passes', () => {
    const mask = createMask([bytes('needle-in-the-hay')]);
    let outBytes = 0;

    const chunk = bytes('needle-in-the-hax '.repeat(4096));
    for (let i = 0; i < 64; i++) {
      outBytes += mask.push(chunk).length;
      expect((i + 1) * chunk.length - outBytes).toBeLessThan(64);
    }
  });

  it('refuses more secret bytes than it can hold instead of masking half of them', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      new Uint8Array(65_536).map((_b, j) => (i * 7 + j * j) & 255),
    );

    expect(() => createMask(many)).toThrow(/expected secrets whose encodings/);
  });

  // A small alphabet makes overlaps, repetitions and near misses common.
  const word = fc.array(fc.constantFrom('a', 'b', '*', '+', '\n', 'ä'), { minLength: 1, maxLength: 7 });
  const secretsOf = fc.array(
    word.map((parts) => parts.join('')),
    { minLength: 1, maxLength: 4 },
  );
  const piece = fc.oneof(
    word.map((parts) => parts.join('')),
    fc.constantFrom('=', ' ', 'YQ==', 'YWI', '6162'),
  );

  it('prints no secret in any encoding, whatever the chunks are', () => {
    fc.assert(
      fc.property(
        secretsOf,
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (secrets, pieces, cuts) => {
          const encoded = secrets.flatMap((s) => [
            s,
            Buffer.from(s).toString('base64'),
            Buffer.from(`z${s}`).toString('base64'),
            Buffer.from(s).toString('hex'),
            JSON.stringify(s),
            encodeURIComponent(s),
          ]);
          const input = pieces.flatMap((p, i) => [p, encoded[i % encoded.length] ?? '']).join('');

          const out = masked(secrets, input, cuts);

          for (const s of secrets) {
            expect(out.includes(s)).toBe(false);
            const hex = Buffer.from(s).toString('hex');
            if (hex.length >= 8) expect(out.includes(hex)).toBe(false);
          }
          expect(out).toBe(masked(secrets, input));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('keeps every byte that belongs to no secret', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 10 }), (text, cuts) => {
        const clean = text.replaceAll('Z', '');
        expect(masked(['ZZ-secret-ZZ'], clean, cuts)).toBe(Buffer.from(clean).toString());
      }),
      { numRuns: 100 },
    );
  });
});
