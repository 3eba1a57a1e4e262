import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@sallyport/formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Actor } from '#platform';
import { person } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { auditRoutes } from './routes.ts';

interface Page {
  readonly lines: ReadonlyArray<{ readonly time: string; readonly entry: Entry }>;
  readonly next: string;
  readonly complete: boolean;
}
interface Entry {
  readonly type: string;
  readonly auth: { readonly display_name?: string; readonly accessor?: string };
  readonly request: { readonly id: string; readonly path: string; readonly operation: string };
  readonly error?: string;
}

let vault: TestVault;
let http: TestHttp;
const seekers: Actor[] = [];
const ledger = { ok: true, treeSize: 3, findings: [] };

beforeAll(async () => {
  vault = await openVault();
  const { journal } = vault;
  http = await openTestHttp({
    routes: [
      auditRoutes({
        journal,
        hash: vault.vault.audit.hash,
        verifyLedger: async () => ledger,
        recordValueSearch: async (actor) => void seekers.push(actor),
        steadyMs: () => performance.now(),
      }),
    ],
    actors: { ada: person('ada'), eve: person('eve') },
    authorize: async (actor, capability, path) => {
      if (actor.name === 'ada' && capability === 'read' && path === 'audit') return;
      throw new Fault('denied', 'identity.denied', 'no');
    },
  });
  for (const name of ['one', 'two', 'three']) {
    vault.clock.advance(60_000);
    const body = { data: { password: `secret of ${name}`, port: 5432 } };
    await vault.request('POST', `secret/data/app/${name}`, { body });
  }
  vault.clock.advance(60_000);
  // Several in one batch.
  await Promise.all(
    ['one', 'two', 'three', 'four'].map((name) => vault.request('GET', `secret/data/app/${name}`)),
  );
  await vault.request('GET', 'secret/data/app/one', { token: 'hvs.wrong' });
});
afterAll(async () => {
  await http?.close();
  await vault?.close();
});

async function call(method: string, path: string, body?: object, token = 'ada'): Promise<Response> {
  return await fetch(http.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
async function page(query: string): Promise<Page> {
  const answer = await call('GET', `/api/audit${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Page;
}
const asked = ({ lines }: Page): string[] =>
  lines.map(({ entry }) => `${entry.type} ${entry.request.operation} ${entry.request.path}`);

describe('reading the audit', () => {
  it('is for those who may read `audit`', async () => {
    for (const [method, path] of [
      ['GET', '/api/audit'],
      ['GET', '/api/audit/end'],
      ['POST', '/api/audit/search'],
      ['POST', '/api/audit/verify'],
    ] as const) {
      const body = path.endsWith('search') ? {} : undefined;
      expect((await call(method, path, body, 'eve')).status).toBe(403);
      expect((await call(method, path, body, 'nobody')).status).toBe(401);
    }
  });

  it('filters by path, operation, type, name, accessor, request, time and error', async () => {
    expect(asked(await page('?path=secret/data/app/*&operation=create&type=response'))).toEqual([
      'response create secret/data/app/one',
      'response create secret/data/app/two',
      'response create secret/data/app/three',
    ]);
    const named = await page('?displayName=root&type=response&path=secret/%2B/app/one&operation=read');
    expect(asked(named)).toEqual(['response read secret/data/app/one']);
    const [line] = named.lines;
    expect(asked(await page(`?requestId=${line?.entry.request.id}`))).toEqual([
      'request read secret/data/app/one',
      'response read secret/data/app/one',
    ]);
    const accessor = encodeURIComponent(line?.entry.auth.accessor ?? '');
    expect((await page(`?accessor=${accessor}`)).lines.length).toBeGreaterThan(5);
    const self = (await vault.request('GET', 'auth/token/lookup-self')).body.data.accessor;
    expect((await page(`?accessor=${self}`)).lines.length).toBeGreaterThan(5);
    const errors = await page('?errors=true&type=response&path=secret/*');
    expect(errors.lines.map(({ entry }) => entry.error)).toContain('permission denied');
    const created = await page('?operation=create&type=response&path=secret/data/app/two');
    const at = Date.parse(created.lines[0]?.time ?? '');
    const window = `since=${new Date(at).toISOString()}&until=${new Date(at + 1).toISOString()}`;
    expect(asked(await page(`?${window}&type=response`))).toEqual(['response create secret/data/app/two']);
  });

  it('finds a value that was posted, and tells who looked for it', async () => {
    const answer = await call('POST', '/api/audit/search', { value: 'secret of two', type: 'response' });
    // The line of an answer repeats what was asked.
    expect(asked((await answer.json()) as Page)).toEqual([
      'response create secret/data/app/two',
      'response read secret/data/app/two',
    ]);
    expect(seekers.map(({ name }) => name)).toEqual(['ada']);
    // Of a number too: it is hashed by its digits.
    const port = await call('POST', '/api/audit/search', { value: '5432', type: 'request' });
    expect(((await port.json()) as Page).lines.length).toBe(3);
    expect((await call('GET', '/api/audit?value=x')).status).toBe(400);
  });

  it.each([
    '?since=yesterday',
    '?since=1',
    '?after=1.x',
    '?after=-1.0',
    '?limit=0',
    '?limit=1001',
    '?path=',
    '?nope=1',
    '?wait=26',
  ])('refuses %s', async (query) => {
    expect((await call('GET', `/api/audit${query}`)).status).toBe(400);
  });

  it('goes on at its cursor, within a batch too, without a line twice or lost', async () => {
    const all = await page('?limit=1000');
    expect(all.complete).toBe(true);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
        async (limits) => {
          const lines: Page['lines'][number][] = [];
          let after = '';
          for (let round = 0; ; round += 1) {
            const part = await page(`?limit=${limits[round % limits.length]}${after}`);
            lines.push(...part.lines);
            after = `&after=${part.next}`;
            if (part.complete) break;
          }
          expect(lines).toEqual(all.lines);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('waits at the end for what comes', async () => {
    const { next } = (await (await call('GET', '/api/audit/end')).json()) as { next: string };
    expect((await page(`?after=${next}`)).lines).toEqual([]);
    const waiting = page(`?after=${next}&wait=20&type=response`);
    await vault.request('GET', 'secret/data/app/two');
    expect(asked(await waiting)).toEqual(['response read secret/data/app/two']);
  });

  it('verifies, and names the batch that was changed', async () => {
    const report = async () => {
      const text = await (await call('POST', '/api/audit/verify')).text();
      return JSON.parse(text.trim().split('\n').at(-1) ?? '').report;
    };
    expect(await report()).toMatchObject({ ok: true, ledger, findings: [], audit: { ok: true } });

    const [name = ''] = readdirSync(join(vault.directory, 'journal')).filter((each) => each.endsWith('.log'));
    const file = join(vault.directory, 'journal', name);
    const whole = readFileSync(file);
    const changed = Buffer.from(whole);
    const at = changed.indexOf('"path":"secret/data/app/two"');
    expect(at).toBeGreaterThan(0);
    changed.write('X', at + 9);
    writeFileSync(file, changed);
    expect(await report()).toMatchObject({
      ok: false,
      audit: { ok: false, file: { difference: { place: expect.any(Number) } }, table: {} },
    });
    writeFileSync(file, whole);
    expect(await report()).toMatchObject({ ok: true });
  });
});
