import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayBeCredential } from './credential-value.ts';
import { fingerprintsOf, isAccount, maxPrints } from './fingerprints.ts';
import { hintOf } from './key-names.ts';

const judge = (key: string, value: string): boolean => {
  const bytes = Buffer.from(`<${value}>`);
  return mayBeCredential(key, bytes, 1, bytes.length - 1);
};

describe('what may be a credential', () => {
  it.each([
    ['password', 'hunter2hunter2'],
    ['password', 'changeme'],
    ['value', 'shared-value'],
    ['a', 'correct horse battery staple'],
    ['db_password', 'db.example.com'],
    ['apiToken', '2026-01-01'],
    ['x', 'Xk9mPqRsTuVw'],
    ['username', 'Xk9mPqRsTuVw'],
    ['id', '8f14e45fceea167a5a36dedd4bea2543'],
    ['url', 'postgres://app:s3cret@db.example.com/orders'],
    ['url', 'https://hooks.example.com/services/T0A1B2C3/xYz9Q8w7'],
    ['url', 'https://example.com/callback?key=abcdefgh'],
    ['config', 'server=db;user=app;password=abc'],
    ['line', 'db.example.com:5432:orders:app:secretword'],
    ['jwt', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
    ['number', '123456789012'],
    ['pin', '12345678'],
    ['text', 'pässwörter'],
    ['file', `-----BEGIN RSA PRIVATE KEY-----\n${'a'.repeat(400)}`],
    ['file', `-----BEGIN CERTIFICATE-----\nabc\n-----BEGIN PRIVATE KEY-----\nabc`],
    ['long', 'word '.repeat(100)],
  ])('%s = %s', (key, value) => {
    expect(judge(key, value)).toBe(true);
  });

  it.each([
    ['password', 'short7!'],
    ['a', ''],
    ['host', 'db-1.internal.example.com'],
    ['x', 'db.example.com:5432'],
    ['brokers', 'a.example.com:9092,b.example.com:9092'],
    ['x', 'localhost:8080'],
    ['x', '192.168.100.200'],
    ['x', '10.0.0.0/16'],
    ['x', 'fe80::1ff:fe23:4567'],
    ['x', 'https://shop.example.com/api/orders/v2'],
    ['x', 'postgres://db.example.com:5432/orders'],
    ['x', 'ops.team@example.com'],
    ['x', '2026-11-20T13:14:15.123Z'],
    ['x', '2026-11-20'],
    ['x', '/var/run/orders/app.sock'],
    ['x', 'v1.24.3-alpine'],
    ['size', '1073741824'],
    ['username', 'orders_service'],
    ['region', 'us-east-1'],
    ['DB_NAME', 'orders_production'],
    ['logLevel', 'production'],
    ['mode', 'disabled'],
    ['any', 'disabled'],
    ['any', 'production'],
    ['role', 'arn:aws:iam::123456789012:role/Orders1aB2'],
    ['ca', `-----BEGIN CERTIFICATE-----\n${'a'.repeat(400)}`],
  ])('and what not: %s = %s', (key, value) => {
    expect(judge(key, value)).toBe(false);
  });

  it('is decided in time that grows with the size, for any bytes', () => {
    const hostile = [
      'a.'.repeat(128),
      'aA0'.repeat(85),
      'a-'.repeat(128),
      '/a'.repeat(128),
      'a:0,'.repeat(64),
    ];
    const begun = performance.now();

    for (const text of hostile) for (let times = 0; times < 200; times += 1) judge('x', `${text}!`);

    expect(performance.now() - begun).toBeLessThan(1000);
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), fc.uint8Array({ maxLength: 400 }), (key, bytes) => {
        expect(typeof mayBeCredential(key, Buffer.from(bytes), 0, bytes.length)).toBe('boolean');
      }),
    );
  });

  it('takes a key by its words', () => {
    expect(['dbPassword', 'DB_PASSWORD', 'access-key', 'apikey', 'x.token'].map(hintOf)).toEqual(
      Array.from({ length: 5 }, () => 'credential'),
    );
    expect(['userName', 'TOKEN_URL', 'secret_path', 'host'].map(hintOf)).toEqual(
      Array.from({ length: 4 }, () => 'description'),
    );
    expect(['', '---', 'value', 'données', '\u0000'].map(hintOf)).toEqual(
      Array.from({ length: 5 }, () => 'none'),
    );
  });
});

describe('fingerprints', () => {
  const key = createSecretKey(Buffer.alloc(32, 1));
  const other = createSecretKey(Buffer.alloc(32, 2));
  const of = (value: unknown, by = key) => fingerprintsOf(Buffer.from(JSON.stringify(value)), by);

  it('are the same for the same value wherever it stands, and others under another key', () => {
    const [print] = [...of({ a: 'some-Value-1' }).keys.keys()];

    expect(print).toHaveLength(22);
    expect([...of({ b: { c: [1, { d: ' some-Value-1\n' }] } }).keys]).toEqual([[print, 'b.c.d']]);
    expect(of({ a: 'some-Value-1' }, other).keys.has(print ?? '')).toBe(false);
    expect([...of({ a: 'some-Value-1', b: 'some-Value-1' }).keys]).toEqual([[print, 'a']]);
  });

  it('see through escapes, and take every number by its digits', () => {
    const escaped = fingerprintsOf(Buffer.from('{"a":"some\\u002dValue\\u002d1"}'), key);
    const digits = fingerprintsOf(Buffer.from('{"pin":12345678901234567890}'), key);

    expect(escaped.keys).toEqual(of({ a: 'some-Value-1' }).keys);
    expect(digits.keys).toEqual(of({ pin: '12345678901234567890' }).keys);
  });

  it('are bounded in number and in the size of their keys', () => {
    const many = of(Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, `some-Value-${i}`])));
    const deep = fingerprintsOf(
      Buffer.from(`${'{"alpha":{"beta":'.repeat(150)}"some-Value-1"${'}'.repeat(300)}`),
      key,
    );

    expect(many.keys.size).toBe(maxPrints);
    expect(many.more).toBe(true);
    expect([...deep.keys.values()][0]?.length).toBeLessThanOrEqual(128);
  });
});

describe('accounts', () => {
  const key = createSecretKey(Buffer.alloc(32, 1));
  const of = (value: unknown): readonly string[] =>
    [...fingerprintsOf(Buffer.from(JSON.stringify(value)), key).keys.keys()].filter(isAccount);

  it('are a host and a user, however they are written down, and whatever the password is', () => {
    const same = [
      { host: 'db.example.com', username: 'orders', password: 'one-Secret-1' },
      { HOST: ' DB.example.com:5432', user: 'orders', password: 'other-Secret-2' },
      { DB_HOST: 'db.example.com', DB_USER: 'orders' },
      { dbHostname: 'db.example.com', dbLogin: 'orders' },
      { nested: [{ server: 'db.example.com', user: 'orders' }] },
      { url: 'postgres://orders:s3cret@db.example.com:5432/orders?sslmode=on' },
      { url: 'postgres://orders@db.example.com' },
    ].map(of);

    expect(new Set(same.flat()).size).toBe(1);
    expect(same.every(({ length }) => length === 1)).toBe(true);
    expect(same[0]?.[0]).toHaveLength(22);
  });

  it('are not put together from what does not belong together, and not found on the machine itself', () => {
    for (const value of [
      { host: 'db.example.com', nested: { user: 'orders' } },
      { DB_HOST: 'db.example.com', MAIL_USER: 'orders' },
      { host: 'localhost', user: 'orders' },
      { host: '127.0.0.1:5432', user: 'orders' },
      { host: 'db.example.com', user: '' },
      { url: 'https://db.example.com/a@b' },
      { url: '://a@b', other: 'http://@b' },
    ])
      expect(of(value)).toEqual([]);
    expect(of({ DB_HOST: 'a.b', DB_USER: 'u', MAIL_HOST: 'a.b', MAIL_USER: 'v' })).toHaveLength(2);
  });

  it('are found in no document that makes the search long or throw', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('host', 'user', 'url', 'x_host', 'x_user', '__proto__'), fc.string()),
        (value) => {
          for (const print of of(value)) expect(print).toHaveLength(22);
        },
      ),
    );
  });
});
