import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyring, createSeal, type Keyring, keyringMigrations } from '#keyring';
import { createIds, systemClock, systemRandom } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { recordingAudit, silentLog } from '../../../test-support/fakes.ts';
import { answerSealed, type SealControl } from './sealed.ts';
import { testSys } from './server.fixture.ts';

let testDb: TestDb;
let keyring: Keyring;
let control: SealControl;

beforeEach(async () => {
  testDb = await openTestDb(keyringMigrations);
  const ground = { clock: systemClock, random: systemRandom, log: silentLog };
  keyring = createKeyring({
    ...ground,
    db: testDb.db,
    audit: recordingAudit(),
    ids: createIds({ clock: systemClock, random: systemRandom }),
    seal: createSeal({ kind: 'shamir' }, { ...ground, fetch, environment: {} }),
  });
  control = {
    facts: testSys(() => keyring).facts,
    now: () => Date.now(),
    status: () => keyring.status(),
    initialise: async (options) => ({ ...(await keyring.initialise(options)), rootToken: 'hvs.root' }),
    unseal: async (share) => {
      await keyring.unseal(share);
    },
    resetUnseal: () => keyring.resetUnseal(),
  };
});
afterEach(async () => {
  await keyring.close();
  await testDb.close();
});

async function ask(method: string, path: string, body: Record<string, unknown> = {}, query = {}) {
  const answer = await answerSealed(control, { method, path, query, body });
  if (answer === undefined) throw new Error(`expected an answer for ${path}`);
  return answer;
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
const bodyOf = async (...request: Parameters<typeof ask>): Promise<any> => (await ask(...request)).body;
const split = { secret_shares: 5, secret_threshold: 3 };

describe('a sealed server', () => {
  it('is initialised once, and stays sealed', async () => {
    expect(await ask('GET', 'sys/init')).toEqual({ status: 200, body: { initialized: false } });
    expect((await ask('GET', 'sys/health')).status).toBe(501);

    const made = await bodyOf('PUT', 'sys/init', split);

    expect(made.keys).toHaveLength(5);
    expect(made.keys.every((key: string) => /^[0-9a-f]{66}$/.test(key))).toBe(true);
    expect(made.keys_base64.map((key: string) => Buffer.from(key, 'base64').toString('hex'))).toEqual(
      made.keys,
    );
    expect(made.root_token).toBe('hvs.root');
    expect(await ask('PUT', 'sys/init', split)).toEqual({
      status: 400,
      body: { errors: ['Vault is already initialized'] },
    });
    expect((await ask('GET', 'sys/health')).status).toBe(503);
    expect(await bodyOf('GET', 'sys/seal-status')).toMatchObject({
      type: 'shamir',
      initialized: true,
      sealed: true,
      t: 3,
      n: 5,
      progress: 0,
      version: '1.16.0',
      recovery_seal: false,
      storage_type: 'pglite',
    });
  });

  it('is opened by a threshold of shares, in hexadecimal or base64', async () => {
    const { keys, keys_base64: base64 } = await bodyOf('POST', 'sys/init', split);

    expect(await bodyOf('PUT', 'sys/unseal', { key: keys[4] })).toMatchObject({ sealed: true, progress: 1 });
    expect(await bodyOf('PUT', 'sys/unseal', { key: keys[4] })).toMatchObject({ sealed: true, progress: 1 });
    const second = await bodyOf('PUT', 'sys/unseal', { key: base64[0] });
    expect(second).toMatchObject({ sealed: true, progress: 2 });
    expect(second.nonce).toMatch(/^[0-9a-f-]{36}$/);
    const opened = await bodyOf('PUT', 'sys/unseal', { key: keys[2], migrate: false });

    expect(opened).toMatchObject({ sealed: false, progress: 0, nonce: '', cluster_name: 'test' });
    expect(await ask('HEAD', 'sys/health')).toEqual({ status: 200 });
    expect(await bodyOf('PUT', 'sys/unseal', { key: keys[1] })).toMatchObject({ sealed: false });
  });

  it('forgets shares when it is told to', async () => {
    const { keys } = await bodyOf('PUT', 'sys/init', split);
    await ask('PUT', 'sys/unseal', { key: keys[0] });

    expect(await bodyOf('PUT', 'sys/unseal', { reset: true })).toMatchObject({
      sealed: true,
      progress: 0,
      nonce: '',
    });
  });

  it('stays closed for shares that are none, and says nothing of them', async () => {
    await ask('PUT', 'sys/init', split);
    const strangers = [1, 2, 3].map((number) => `${'ab'.repeat(32)}0${number}`);

    const answers = [];
    for (const key of [...strangers, 'not hexadecimal', '', 'ab', `${'0'.repeat(64)}00`]) {
      answers.push(await ask('PUT', 'sys/unseal', { key }));
    }

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 400, 400, 400, 400]);
    expect(JSON.stringify(answers)).not.toContain('abab');
    expect(await bodyOf('GET', 'sys/seal-status')).toMatchObject({ sealed: true, progress: 0 });
  });

  it('is not initialised with what cannot be', async () => {
    const wrong: readonly Record<string, unknown>[] = [
      {},
      { secret_shares: 2, secret_threshold: 3 },
      { secret_shares: 3, secret_threshold: 1 },
      { ...split, pgp_keys: ['a', 'b', 'c', 'd', 'e'] },
      { ...split, root_token_pgp_key: 'a' },
      { secret_shares: 'five', secret_threshold: 3 },
    ];

    for (const body of wrong) expect((await ask('PUT', 'sys/init', body)).status).toBe(400);

    expect(await bodyOf('GET', 'sys/init')).toEqual({ initialized: false });
  });

  it('takes what clients send besides', async () => {
    const answer = await ask('PUT', 'sys/init', {
      ...split,
      pgp_keys: null,
      root_token_pgp_key: null,
      stored_shares: 5,
    });

    expect(answer.status).toBe(200);
  });

  it('says that it leads nobody', async () => {
    expect(await bodyOf('GET', 'sys/leader')).toMatchObject({
      ha_enabled: false,
      is_self: false,
      leader_address: '',
    });
  });

  it('answers nothing else, and these in no other way', async () => {
    expect(answerSealed(control, { method: 'GET', path: 'sys/mounts', query: {}, body: {} })).toBeUndefined();
    for (const [method, path] of [
      ['DELETE', 'sys/init'],
      ['GET', 'sys/unseal'],
      ['POST', 'sys/health'],
      ['PATCH', 'sys/seal-status'],
    ] as const) {
      expect((await ask(method, path)).status).toBe(405);
    }
  });
});
