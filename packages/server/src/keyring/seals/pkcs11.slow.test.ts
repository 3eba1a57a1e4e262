import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../../test-support/fakes.ts';
import { openStage, random, readCanary, shareSeal, unsealWith, writeCanary } from './ceremony.fixture.ts';
import { createSeal } from './create-seal.ts';
import type { Pkcs11Config } from './pkcs11-key.ts';

/** A token in software: SoftHSM 2, with OpenSC's `pkcs11-tool` to make keys in it as an operator would. */
let folder: string;
let library: string | undefined;
const pin = '271828';

function find(): string | undefined {
  return ['/usr/lib/softhsm/libsofthsm2.so', ...globSync('/usr/lib/*/softhsm/libsofthsm2.so')].find(
    existsSync,
  );
}

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${stderr ?? ''}${error?.message ?? ''}`);
}

beforeAll(async () => {
  library = find();
  if (library === undefined && process.getuid?.() === 0) {
    const packages = ['install', '--yes', '--no-install-recommends', 'softhsm2', 'opensc'];
    spawnSync('/usr/bin/apt-get', packages, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    library = find();
  }
  if (library === undefined) {
    console.warn('SKIPPED: no SoftHSM here; apt-get install softhsm2 opensc');
    return;
  }
  folder = await mkdtemp(join(tmpdir(), 'sallyport-softhsm-'));
  await mkdir(join(folder, 'tokens'));
  const conf = join(folder, 'softhsm2.conf');
  await writeFile(conf, `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\n`);
  // The library reads it from the environment of the process that loads it, which is this one.
  process.env['SOFTHSM2_CONF'] = conf;
  run(
    'softhsm2-util',
    '--init-token',
    '--free',
    '--label',
    'sallyport',
    '--so-pin',
    '31415926',
    '--pin',
    pin,
  );
  const tool = ['--module', library, '--token-label', 'sallyport', '--login', '--pin', pin];
  run('pkcs11-tool', ...tool, '--keygen', '--key-type', 'AES:32', '--label', 'root-aes', '--id', '01');
  run('pkcs11-tool', ...tool, '--keygen', '--key-type', 'AES:32', '--label', 'other-aes', '--id', '02');
  run('pkcs11-tool', ...tool, '--keypairgen', '--key-type', 'rsa:2048', '--label', 'root-rsa', '--id', '03');
  for (const id of ['04', '05']) {
    run('pkcs11-tool', ...tool, '--keygen', '--key-type', 'AES:32', '--label', 'twice', '--id', id);
  }
}, 120_000);
afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const seal = (more: Partial<Pkcs11Config> = {}, given = pin) =>
  createSeal(
    {
      kind: 'pkcs11',
      library: library ?? '',
      tokenLabel: 'sallyport',
      keyLabel: 'root-aes',
      mechanism: 'aes-gcm',
      ...more,
    },
    { random, clock: fixedClock(), log: silentLog, fetch, environment: { SALLYPORT_PKCS11_PIN: given } },
  );
const root = (): SecretBytes => SecretBytes.from(randomBytes(32));
const refused = { code: 'keyring.decrypt_failed' };

describe('the PKCS#11 seal', () => {
  it.for([
    { mechanism: 'aes-gcm', keyLabel: 'root-aes' },
    // SoftHSM 2.6 knows OAEP with SHA-1 only.
    { mechanism: 'rsa-oaep-sha1', keyLabel: 'root-rsa' },
  ] as const)('wraps and unwraps with $mechanism, and does not open what was changed', async (key, test) => {
    if (library === undefined) return test.skip('no SoftHSM here');
    const one = seal(key);
    const secret = root();
    const sealed = await one.wrap(secret);

    expect((await one.unwrap(sealed)).equals(secret)).toBe(true);
    for (const at of [sealed.length - 1, sealed.length - 40]) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(one.unwrap(changed)).rejects.toMatchObject(refused);
    }
    await expect(one.unwrap(sealed.slice(0, -1))).rejects.toMatchObject(refused);
    expect((await one.unwrap(sealed)).equals(secret)).toBe(true);
    await one.close?.();
  });

  it('does not open with another key of the token, and knows so without asking', async (test) => {
    if (library === undefined) return test.skip('no SoftHSM here');
    const [one, other] = [seal(), seal({ keyLabel: 'other-aes' })];
    const sealed = await one.wrap(root());

    expect(other.holds?.(sealed)).toBe(false);
    await expect(other.unwrap(sealed)).rejects.toMatchObject(refused);
    await other.wrap(root());
    await one.close?.();
    await other.close?.();
  });

  it('serves several at once, and a second seal on the same library after the first one closed', async (test) => {
    if (library === undefined) return test.skip('no SoftHSM here');
    const one = seal();
    const keys = Array.from({ length: 8 }, root);
    const sealed = await Promise.all(keys.map((key) => one.wrap(key)));
    const opened = await Promise.all(sealed.map((each) => one.unwrap(each)));
    expect(opened.every((key, at) => keys[at]?.equals(key))).toBe(true);
    await one.close?.();
    const again = seal();

    expect((await again.unwrap(sealed[0] ?? new Uint8Array())).equals(keys[0] ?? root())).toBe(true);
    await again.close?.();
  });

  it('says what it misses: library, token, key, one key of a name, PIN; and never the PIN', async (test) => {
    if (library === undefined) return test.skip('no SoftHSM here');
    const wrongPin = '00000000-wrong';
    for (const [one, text] of [
      [seal({ library: '/nowhere/lib.so' }), 'load'],
      [seal({ tokenLabel: 'other' }), 'one token'],
      [seal({ keyLabel: 'none' }), 'got 0'],
      [seal({ keyLabel: 'twice' }), 'got 2'],
      [seal({}, wrongPin), 'PIN'],
      [seal({ mechanism: 'rsa-oaep', keyLabel: 'root-rsa' }), 'encrypt'],
    ] as const) {
      const error: unknown = await one.wrap(root()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'keyring.seal_unavailable',
        message: expect.stringContaining(text),
      });
      expect(String(error)).not.toContain(wrongPin);
      await one.close?.();
    }
  });

  it('opens a keyring, rotates its root, and moves to shares and back', async (test) => {
    if (library === undefined) return test.skip('no SoftHSM here');
    const stage = await openStage();
    const admin = { kind: 'person', id: 'psn_admin' } as const;
    const first = stage.keyring(seal());
    await first.open();
    const canary = await writeCanary(first);
    await first.rotateRoot(admin);
    await first.close();
    const moving = stage.keyring(shareSeal(), seal());
    await moving.open();
    const options = { target: 'seal', shares: 2, threshold: 2, verify: true } as const;
    const { shares = [] } = await moving.rekey.start(options, admin);
    for (const share of shares) await moving.rekey.verify(share, moving.rekey.status().nonce);
    await moving.close();
    const back = stage.keyring(seal(), shareSeal());

    expect(await unsealWith(back, shares)).toBe(true);

    expect(await back.status()).toMatchObject({ seal: 'pkcs11', migration: 'none', shares: 2 });
    expect(await readCanary(back, canary)).toBe('sings');
    await back.close();
    await stage.close();
  });
});
