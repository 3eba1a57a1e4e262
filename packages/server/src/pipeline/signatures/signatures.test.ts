import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatBytes, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { createMessage, generateKey, revokeKey, sign as signPgp } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchesPrincipal, parseAllowedSigners } from './allowed-signers.ts';
import { parseSshSignature } from './sshsig.ts';
import { type SignatureResult, type SignerPolicy, verifySignature } from './verify.ts';

let root: string;
const now = new Date('2026-06-01T12:00:00Z');
const committer = { email: 'ann@example.com', epochSeconds: now.getTime() / 1000 - 60 };
const payload = utf8('tree 1234\n\nmessage\n');
const nobody: SignerPolicy = { allowedSigners: '', openPgpKeys: '', revoked: '' };

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-sig-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Signer {
  readonly publicKey: string;
  sign(bytes: Uint8Array, namespace?: string): string;
}

function sshKey(type: string, bits?: string): Signer {
  const file = join(root, `${type}-${bits ?? ''}-${Math.random()}`);
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...(bits === undefined ? [] : ['-b', bits]),
    '-N',
    '',
    '-C',
    '',
    '-f',
    file,
  ]);
  return {
    publicKey: readFileSync(`${file}.pub`, 'utf8').trim(),
    sign(bytes, namespace = 'git') {
      writeFileSync(join(root, 'message'), bytes);
      rmSync(join(root, 'message.sig'), { force: true });
      execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', file, '-n', namespace, join(root, 'message')], {
        stdio: 'ignore',
      });
      return readFileSync(join(root, 'message.sig'), 'utf8');
    },
  };
}

const judge = (
  signature: string,
  policy: Partial<SignerPolicy>,
  more: object = {},
): Promise<SignatureResult> =>
  verifySignature({
    signed: { signature, payload },
    policy: { ...nobody, ...policy },
    committer,
    now,
    ...more,
  });

describe('SSH signatures', () => {
  it.each([
    ['ed25519', undefined],
    ['ecdsa', '256'],
    ['ecdsa', '384'],
    ['ecdsa', '521'],
    ['rsa', '2048'],
  ])('are verified as ssh-keygen makes them: %s %s', async (type, bits) => {
    const key = sshKey(type, bits);
    const signature = key.sign(payload);
    const allowedSigners = `# people\nann@example.com ${key.publicKey}\n`;

    expect(await judge(signature, { allowedSigners })).toMatchObject({
      status: 'valid',
      signer: 'ann@example.com',
    });
    const changed = { signed: { signature, payload: concatBytes(payload, utf8('x')) } };
    expect(await judge(signature, { allowedSigners }, changed)).toMatchObject({ status: 'invalid' });
  });

  it('are worth nothing from an unknown, expired, early, foreign, restricted or revoked key', async () => {
    const key = sshKey('ed25519');
    const signature = key.sign(payload);
    const of = async (allowedSigners: string, revoked = ''): Promise<string> => {
      const { status, reason } = await judge(signature, { allowedSigners, revoked });
      return `${status}: ${reason}`;
    };

    expect(await of('')).toBe('unknown_key: the key is not among the allowed signers');
    expect(await of(`ann@example.com ${sshKey('ed25519').publicKey}`)).toMatch(/^unknown_key/);
    expect(await of(`ann@example.com valid-before="20260101" ${key.publicKey}`)).toBe(
      'expired: the key has expired',
    );
    expect(await of(`ann@example.com valid-after="20270101Z" ${key.publicKey}`)).toBe(
      'expired: the key is not valid yet',
    );
    expect(await of(`bob@example.com ${key.publicKey}`)).toMatch(
      /^not_allowed: the key belongs to somebody else/,
    );
    expect(await of(`ann@example.com namespaces="file,email" ${key.publicKey}`)).toMatch(/^not_allowed/);
    expect(await of(`ann@example.com cert-authority ${key.publicKey}`)).toMatch(/^unsupported/);
    expect(await of(`ann@example.com ${key.publicKey}`, key.publicKey)).toBe('revoked: the key was revoked');
    expect(await of(`*@example.com,!ann@example.com ${key.publicKey}`)).toMatch(/^not_allowed/);
    expect(
      await of(`*@example.com namespaces="file,git",valid-after="20200101" ${key.publicKey} me`),
    ).toMatch(/^valid/);
  });

  it('made for another purpose are not signatures of a commit', async () => {
    const key = sshKey('ed25519');

    const result = await judge(key.sign(payload, 'file'), {
      allowedSigners: `ann@example.com ${key.publicKey}`,
    });

    expect(result).toMatchObject({ status: 'invalid', reason: 'it was made for another purpose than git' });
  });

  it('from the future, unsigned and unknown kinds say so', async () => {
    const key = sshKey('ed25519');
    const allowedSigners = `ann@example.com ${key.publicKey}`;
    const future = { committer: { ...committer, epochSeconds: now.getTime() / 1000 + 3600 } };

    expect((await judge(key.sign(payload), { allowedSigners }, future)).reason).toContain('future');
    expect((await judge('', {}, { signed: undefined })).status).toBe('unsigned');
    expect((await judge('-----BEGIN SIGNED MESSAGE-----', {})).status).toBe('unsupported');
  });

  it('never verify with any one byte changed, and never throw', async () => {
    const key = sshKey('ed25519');
    const armored = key.sign(payload);
    const allowedSigners = `ann@example.com ${key.publicKey}`;
    const bytes = Buffer.from(armored.split('\n').slice(1, -2).join(''), 'base64');

    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const broken = Buffer.from(bytes);
        broken[at] = (broken[at] ?? 0) ^ flip;
        const text = `-----BEGIN SSH SIGNATURE-----\n${broken.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
        expect((await judge(text, { allowedSigners })).status).not.toBe('valid');
      }),
      { numRuns: 200 },
    );
    for (let size = 0; size < bytes.length; size += 7) {
      const text = `-----BEGIN SSH SIGNATURE-----\n${bytes.subarray(0, size).toString('base64')}\n-----END SSH SIGNATURE-----`;
      expect(() => parseSshSignature(text)).toThrow();
    }
  });
});

describe('allowed signers', () => {
  it.each([
    'ann@example.com',
    'ann@example.com ssh-dss AAAA',
    'ann@example.com ssh-ed25519 !!!',
    'ann@example.com restrict ssh-ed25519 AAAA',
    'ann@example.com valid-before="2026" ssh-ed25519 AAAA',
    'ann@example.com valid-before="20261399" ssh-ed25519 AAAA',
    'ann@example.com namespaces="git ssh-ed25519 AAAA',
    ', ssh-ed25519 AAAA',
  ])('refuse %s', (line) => {
    expect(() => parseAllowedSigners(`# a comment\n${line}`)).toThrow(/line 2/);
  });

  it('match wildcards without taking for ever', () => {
    expect(matchesPrincipal(['a*b?d'], 'axxbcd')).toBe(true);
    expect(matchesPrincipal(['a*b?d'], 'axxbd')).toBe(false);
    expect(matchesPrincipal([`${'*a'.repeat(50)}b`], 'a'.repeat(10_000))).toBe(false);
  });
});

describe('OpenPGP signatures', () => {
  const created = new Date('2026-01-01T00:00:00Z');
  const pgp = async (options: { expires?: number; email?: string } = {}) => {
    const key = await generateKey({
      userIDs: [{ name: 'Ann', email: options.email ?? 'ann@example.com' }],
      date: created,
      format: 'object',
      ...(options.expires === undefined ? {} : { keyExpirationTime: options.expires }),
    });
    const date = new Date(created.getTime() + 60_000);
    const message = await createMessage({ binary: Uint8Array.from(payload) });
    const signature = await signPgp({ message, signingKeys: key.privateKey, detached: true, date });
    return { key, signature: String(signature), openPgpKeys: key.publicKey.armor() };
  };

  it('are verified, and not for changed content', async () => {
    const { signature, openPgpKeys, key } = await pgp();

    expect(await judge(signature, { openPgpKeys })).toMatchObject({
      status: 'valid',
      signer: 'ann@example.com',
      key: key.publicKey.getFingerprint(),
    });
    const changed = { signed: { signature, payload: utf8('other') } };
    expect(await judge(signature, { openPgpKeys }, changed)).toMatchObject({ status: 'invalid' });
  });

  it('are worth nothing from an unknown, expired, revoked or foreign key', async () => {
    const { signature, openPgpKeys, key } = await pgp();
    const short = await pgp({ expires: 3600 });
    const foreign = await pgp({ email: 'bob@example.com' });
    const revoked = await revokeKey({
      key: key.privateKey,
      format: 'object',
      date: new Date(created.getTime() + 5000),
    });

    expect((await judge(signature, {})).status).toBe('unknown_key');
    expect((await judge(signature, { openPgpKeys: foreign.openPgpKeys })).status).toBe('unknown_key');
    expect((await judge(short.signature, { openPgpKeys: short.openPgpKeys })).status).toBe('expired');
    expect((await judge(signature, { openPgpKeys: revoked.publicKey.armor() })).status).toBe('revoked');
    expect((await judge(signature, { openPgpKeys, revoked: key.publicKey.getFingerprint() })).status).toBe(
      'revoked',
    );
    expect((await judge(foreign.signature, { openPgpKeys: foreign.openPgpKeys })).status).toBe('not_allowed');
  });

  it('that are broken give a result, not an error', async () => {
    const { signature, openPgpKeys } = await pgp();

    for (const broken of [
      signature.slice(0, 100),
      signature.replace(/\n[A-Za-z]/, '\n!'),
      '-----BEGIN PGP SIGNATURE-----',
    ]) {
      expect((await judge(broken, { openPgpKeys })).status).toBe('invalid');
    }
  });
});
