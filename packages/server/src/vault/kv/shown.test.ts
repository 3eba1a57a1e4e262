import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.close());

async function ask(method: string, path: string, body?: unknown): Promise<void> {
  const { status, text } = await vault.request(method, path, body === undefined ? {} : { body });
  if (status >= 300) throw new Error(text);
}

/** A read, and what audit says of its answer. */
async function read(path: string) {
  const { body } = await vault.request('GET', path);
  let data: unknown;
  for await (const { line } of vault.journal.audit()) {
    const entry = JSON.parse(line.toString());
    if (entry.type === 'response' && entry.request.id === body.request_id) data = entry.response.data;
  }
  return { answer: body.data, audited: data };
}

/** As `sys/audit-hash` has it, member by member. */
async function hashed(value: unknown): Promise<unknown> {
  if (value === null) return null;
  if (typeof value === 'object') {
    const members = Object.entries(value).map(async ([name, each]) => [name, await hashed(each)] as const);
    return Object.fromEntries(await Promise.all(members));
  }
  // The API hashes no empty text.
  if (value === '') return expect.stringMatching(/^hmac-sha256:/);
  const { body } = await vault.request('POST', 'sys/audit-hash/ledger', { body: { input: String(value) } });
  return body.data.hash;
}

describe('what is remembered of a version', () => {
  it('never stands for another value, other metadata or another version', async () => {
    const changes = [
      () => ask('POST', 'secret/data/a', { data: { password: 'first value', port: 15432 } }),
      () => ask('POST', 'secret/metadata/a', { custom_metadata: { team: 'orders' } }),
      () => ask('POST', 'secret/data/a', { data: { password: 'second value' } }),
      () => ask('POST', 'secret/metadata/a', { custom_metadata: { team: 'billing' } }),
      async () => {
        await ask('DELETE', 'secret/metadata/a');
        await ask('POST', 'secret/data/a', { data: { password: 'third value', port: 15432 } });
      },
    ];
    const seen = new Set<string>();

    for (const change of changes) {
      await change();
      for (const path of ['secret/data/a', 'secret/data/a', 'secret/data/a?version=1']) {
        const { answer, audited } = await read(path);
        seen.add(JSON.stringify(answer));
        expect(audited).toEqual(await hashed(answer));
      }
    }

    expect(seen.size).toBe(6);
  });

  it('is of one path, also when two have the same value', async () => {
    for (const path of ['b', 'c']) await ask('POST', `secret/data/${path}`, { data: { password: path } });

    const answers = await Promise.all(['b', 'c', 'b', 'c'].map((path) => read(`secret/data/${path}`)));

    expect(answers.map(({ answer }) => answer.data.password)).toEqual(['b', 'c', 'b', 'c']);
    for (const { answer, audited } of answers) expect(audited).toEqual(await hashed(answer));
  });
});
