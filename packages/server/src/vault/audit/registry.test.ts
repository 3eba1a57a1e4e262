import { closeSync, constants, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '#platform';
import { silentLog } from '../../../test-support/fakes.ts';
import { noDevices, openVault, type TestVault } from '../../../test-support/vault.ts';
import type { Sys } from '../sys/ports.ts';
import { openVault as openServed } from '../vault.ts';
import { eventually, makePipe, scratchDirectory, startReceiver } from './devices/receiver.fixture.ts';
import type { AuditSettings } from './settings.ts';

let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
beforeAll(async () => {
  scratch = await scratchDirectory();
});
afterAll(() => scratch.remove());

const file = (name: string): string => join(scratch.path, name);

function device(path: string, options: Record<string, string>) {
  return { path, type: 'file', description: '', options };
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into lines of every shape
function linesOf(name: string): any[] {
  return readFileSync(file(name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function journalText(vault: TestVault): Promise<string> {
  let text = '';
  for await (const { line } of vault.journal.audit()) text += `${line.toString('latin1')}\n`;
  return text;
}

async function open(audit: Partial<AuditSettings>, work: (vault: TestVault) => Promise<void>): Promise<void> {
  const vault = await openVault({ audit });
  try {
    await work(vault);
  } finally {
    await vault.close();
  }
}

describe('audit devices', () => {
  it('get a copy of each line, hashed under a salt of their own, which audit-hash knows', async () => {
    const devices = [device('a', { file_path: file('a.log') }), device('b/', { file_path: file('b.log') })];
    await open({ devices }, async (vault) => {
      const body = { data: { password: 'hunter2 hunter2' } };
      expect((await vault.request('POST', 'secret/data/x', { body })).status).toBe(200);
      await eventually(() => [linesOf('a.log'), linesOf('b.log')].every((lines) => lines.length === 4));

      const hashes = await Promise.all(
        ['ledger', 'a', 'b'].map(async (path) => {
          const answer = await vault.request('POST', `sys/audit-hash/${path}`, {
            body: { input: 'hunter2 hunter2' },
          });
          return String(answer.body.data.hash);
        }),
      );
      expect(new Set(hashes).size).toBe(3);
      const texts = [
        await journalText(vault),
        readFileSync(file('a.log'), 'utf8'),
        readFileSync(file('b.log'), 'utf8'),
      ];
      for (const [at, text] of texts.entries()) {
        expect(hashes.map((hash) => text.includes(`"password":"${hash}"`))).toEqual(
          hashes.map((_, index) => index === at),
        );
        expect(text).not.toContain('hunter2');
      }
    });
  });

  it('are listed with the ledger, which cannot be disabled and whose path nobody takes', async () => {
    const devices = [device('a/', { file_path: file('listed.log') })];
    await open({ devices, api: { directories: [scratch.path], addresses: [] } }, async (vault) => {
      const list = (await vault.request('GET', 'sys/audit')).body;
      expect(Object.keys(list.data)).toEqual(['ledger/', 'a/']);
      expect(list['ledger/']).toMatchObject({ type: 'ledger', path: 'ledger/' });
      for (const path of ['ledger', 'a']) {
        expect((await vault.request('DELETE', `sys/audit/${path}`)).status).toBe(400);
        const body = { type: 'file', options: { file_path: file('taken.log') } };
        const taken = await vault.request('PUT', `sys/audit/${path}`, { body });
        expect(taken.body.errors[0]).toMatch(/already in use/);
      }
    });
  });

  it('cannot be enabled through the API unless the configuration allows the place', async () => {
    await open({}, async (vault) => {
      const body = { type: 'file', options: { file_path: file('api.log') } };
      const refused = await vault.request('PUT', 'sys/audit/api', { body });
      expect(refused.status).toBe(400);
      expect(() => readFileSync(file('api.log'))).toThrow();
      const address = await vault.request('PUT', 'sys/audit/api', {
        body: { type: 'socket', options: { address: '127.0.0.1:1' } },
      });
      expect(address.status).toBe(403);
    });
  });

  it('of the API are probed, audited by all when they come and go, and survive a restart', async () => {
    const devices = [device('first', { file_path: file('first.log') })];
    const audit = { devices, api: { directories: [scratch.path], addresses: [] } };
    await open(audit, async (vault) => {
      const missing = { type: 'file', options: { file_path: file('nowhere/x.log') } };
      expect((await vault.request('PUT', 'sys/audit/second', { body: missing })).status).toBe(400);
      const body = { type: 'file', options: { file_path: file('second.log') } };
      expect((await vault.request('PUT', 'sys/audit/second', { body })).status).toBe(204);
      const { hash } = (await vault.request('POST', 'sys/audit-hash/second', { body: { input: 'a value' } }))
        .body;
      await eventually(() => linesOf('second.log').length === 5);
      expect(linesOf('second.log')[0]).toMatchObject({ type: 'probe', device: 'second/' });

      // Another server on the same records: the same device with the same salt.
      const restarted = await openServed({
        journal: vault.journal,
        db: vault.testDb.db,
        alone: true,
        clock: vault.clock,
        random: systemRandom,
        log: silentLog,
        sys: {} as Sys,
        audit: { ...audit, keyFiles: {}, fetch, stdout: process.stdout, hostname: 'h', processId: 1 },
      });
      await restarted.makeRootToken();
      await eventually(() => linesOf('second.log').length === 7);
      await restarted.close();
      const again = await vault.request('POST', 'sys/audit-hash/second', { body: { input: 'a value' } });
      expect(again.body.data.hash).toBe(hash);

      expect((await vault.request('DELETE', 'sys/audit/second')).status).toBe(204);
      await vault.request('GET', 'sys/audit');
      await eventually(() => linesOf('first.log').some(({ request }) => request?.operation === 'delete'));
      await eventually(() => linesOf('second.log').some(({ request }) => request?.operation === 'delete'));
      expect(linesOf('second.log').at(-1).request).toMatchObject({ operation: 'delete' });
      const enabling = linesOf('first.log').filter(({ request }) => request.path === 'sys/audit/second');
      expect(enabling.map(({ request }) => request.operation)).toContain('update');
      expect((await vault.request('POST', 'sys/audit-hash/second', { body: { input: 'a' } })).status).toBe(
        400,
      );
    });
  });

  it('follow what another replica changed', async () => {
    const audit = { api: { directories: [scratch.path], addresses: [] } };
    await open(audit, async (vault) => {
      const body = { type: 'file', options: { file_path: file('followed.log') } };
      await vault.request('PUT', 'sys/audit/x', { body });
      await vault.request('DELETE', 'sys/audit/x');
      await vault.request('PUT', 'sys/audit/x', { body });
      await eventually(() => linesOf('followed.log').length > 0);
      // As a replica finds it: the record is there, and nobody of this process said so.
      await vault.journal.run((turn) => {
        turn.space('system').delete('core/audit-devices');
        return { answer: undefined, audit: [] };
      });
      await vault.vault.ownWork.some();
      await vault.request('GET', 'sys/mounts');
      expect(Object.keys((await vault.request('GET', 'sys/audit')).body.data)).toEqual(['ledger/']);
      // What came before may still be on its way to the file; this must never get there.
      expect(linesOf('followed.log').map(({ request }) => request?.path)).not.toContain('sys/mounts');
    });
  });

  it('that block do not slow answers', async () => {
    const pipe = file('blocked.fifo');
    makePipe(pipe);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const devices = [device('blocked', { file_path: pipe, write_timeout: '60s' })];
    await open({ devices }, async (vault) => {
      const began = performance.now();
      const body = { data: { value: 'x'.repeat(20_000) } };
      // Each answer leaves some 3 kB of lines; a pipe holds 64 kB.
      for (let n = 0; n < 40; n += 1) {
        expect((await vault.request('POST', `secret/data/${n}`, { body })).status).toBe(200);
      }
      expect(performance.now() - began).toBeLessThan(15_000);
      const first = Buffer.alloc(20);
      expect(readSync(reader, first)).toBe(20);
      expect(String(first)).toMatch(/^\{"time":"/);
      closeSync(reader);
    });
  });

  it('that are required and fail refuse the answer, and nothing of it leaves', async () => {
    const pipe = file('required.fifo');
    makePipe(pipe);
    let reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const devices = [device('must', { file_path: pipe, required: 'true', write_timeout: '1s' })];
    await open({ devices }, async (vault) => {
      const body = { data: { password: 'hunter2' } };
      expect((await vault.request('POST', 'secret/data/x', { body })).status).toBe(200);
      closeSync(reader);

      const refused = await vault.request('GET', 'secret/data/x');
      expect(refused.status).toBe(503);
      expect(refused.text).toContain('required audit device \\"must/\\"');
      expect(refused.text).not.toContain('hunter2');

      reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
      const answered = await vault.request('GET', 'secret/data/x');
      expect([answered.status, answered.body.data.data.password]).toEqual([200, 'hunter2']);
      closeSync(reader);
    });
  });

  it('that are required and not allowed any more refuse, until they are disabled', async () => {
    const audit = { api: { directories: [scratch.path], addresses: [] } };
    await open(audit, async (vault) => {
      const body = { type: 'file', options: { file_path: file('once.log'), required: 'true' } };
      expect((await vault.request('PUT', 'sys/audit/once', { body })).status).toBe(204);
      const stricter = await openServed({
        journal: vault.journal,
        db: vault.testDb.db,
        alone: true,
        clock: vault.clock,
        random: systemRandom,
        log: silentLog,
        sys: {} as Sys,
        audit: noDevices,
      });
      await expect(stricter.makeRootToken()).rejects.toMatchObject({ code: 'vault.audit_required' });
      await stricter.close();
    });
  });

  it('show headers that are allowed, and no secret, whatever is written', async () => {
    const receiver = await startReceiver();
    const devices = [
      device('f', { file_path: file('any.log') }),
      { path: 's', type: 'socket', description: '', options: { address: `127.0.0.1:${receiver.port}` } },
    ];
    await open({ devices }, async (vault) => {
      await vault.request('POST', 'sys/config/auditing/request-headers/x-team', { body: { hmac: false } });
      const secret = fc.string({ unit: 'binary', minLength: 8, maxLength: 60 }).map((text) => `S${text}`);
      await fc.assert(
        fc.asyncProperty(
          fc.dictionary(fc.string({ maxLength: 10 }), secret, { minKeys: 1, maxKeys: 5 }),
          async (data) => {
            const written = await vault.request('POST', 'secret/data/any', {
              body: { data },
              headers: { 'x-team': 'payments' },
            });
            const read = await vault.request('GET', 'secret/data/any');
            expect([200, 400]).toContain(written.status);
            expect([200, 404]).toContain(read.status);
            const all = readFileSync(file('any.log'), 'latin1') + receiver.text();
            for (const value of Object.values(data)) {
              const json = JSON.stringify(value).slice(1, -1);
              for (const text of [value, json, Buffer.from(value).toString('base64')]) {
                expect(all.includes(text)).toBe(false);
              }
            }
          },
        ),
        { numRuns: 60 },
      );
      await eventually(() =>
        linesOf('any.log').some(({ request }) => request.headers?.['x-team']?.[0] === 'payments'),
      );
      await receiver.until((text) => text.includes('x-team'));
      expect(await journalText(vault)).toContain('"x-team":["payments"]');
      expect(readFileSync(file('any.log'), 'utf8')).not.toContain(vault.rootToken);
    });
    await receiver.close();
  });

  it('open renamed files anew when they are told to', async () => {
    const devices = [device('r', { file_path: file('rotated.log') })];
    await open({ devices }, async (vault) => {
      await eventually(() => linesOf('rotated.log').length === 2);
      renameSync(file('rotated.log'), file('rotated.log.1'));
      await vault.vault.audit.reopen();
      await vault.request('GET', 'sys/mounts');
      await eventually(() => linesOf('rotated.log').length === 2);
      expect(linesOf('rotated.log.1').length).toBe(2);
    });
  });
});
