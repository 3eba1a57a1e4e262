import { Fault, SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog, type LogLevel } from './log.ts';

function lines(level: LogLevel, work: (log: ReturnType<typeof createLog>) => void): string {
  let text = '';
  work(createLog({ level, sink: { write: (line) => (text += line) } }));
  return text;
}

describe('log', () => {
  it('writes one JSON object per line with level, time, message and fields', () => {
    const line = JSON.parse(lines('info', (log) => log.info({ runId: 'run_1', steps: 3 }, 'run finished')));

    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      runId: 'run_1',
      steps: 3,
      msg: 'run finished',
    });
  });

  it('leaves out what is below the level', () => {
    expect(lines('warn', (log) => log.info({}, 'quiet'))).toBe('');
  });

  const secret = 'hunter2hunter2hunter2';
  it.each<readonly [string, object]>([
    [
      'a field named like a secret',
      { password: secret, leaseToken: secret, 'x-vault-token': secret, deep: { clientSecret: [secret] } },
    ],
    [
      'an authorization header',
      { headers: { authorization: `Bearer ${secret}` }, note: `sent Authorization: Bearer ${secret}` },
    ],
    ['a token of ours', { note: `sp_${secret} was used` }],
    ['a JWT', { note: `eyJhbGciOiJFUzI1NiJ9.${secret}.${secret}` }],
    ['a password in a URL', { url: `postgres://sally:${secret}@db/x` }],
    ['a PEM key', { note: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----` }],
    ['SecretBytes', { value: SecretBytes.fromUtf8(secret), list: [SecretBytes.fromUtf8(secret)] }],
    ['raw bytes', { value: Buffer.from(secret) }],
    ['an error with a cause', { err: new Error('x', { cause: new Error(`postgres://u:${secret}@db`) }) }],
    [
      'row values in a database error',
      {
        err: Object.assign(new Error('duplicate key'), {
          detail: `Key (name)=(${secret}) exists`,
          where: secret,
        }),
      },
    ],
    ['details of a fault', { err: new Fault('invalid', 'a.b', 'no', { details: { token: secret } }) }],
  ])('masks %s', (_what, fields) => {
    const line = lines('info', (log) => log.info(fields, 'x'));

    expect(line).not.toContain('hunter2');
    expect(line).toMatch(/\[secret\]|bytes\]|duplicate key/);
  });

  it('keeps ids and counts readable', () => {
    const line = lines('info', (log) => log.info({ tokenId: 'tok_1', tokens: 5, hasPassword: true }, 'x'));

    expect(JSON.parse(line)).toMatchObject({ tokenId: 'tok_1', tokens: 5, hasPassword: true });
  });

  it('survives whatever it is given, in bounded size', () => {
    const loop: Record<string, unknown> = { text: 'x'.repeat(100_000), big: 10n, date: new Date(Number.NaN) };
    loop['self'] = loop;

    expect(lines('info', (log) => log.info(loop, 'x')).length).toBeLessThan(100_000);
    fc.assert(
      fc.property(fc.object(), (value) => {
        expect(() => JSON.parse(lines('info', (log) => log.info(value, 'x')))).not.toThrow();
      }),
    );
  });
});
