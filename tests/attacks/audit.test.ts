import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addRepository, buildBy, definitionWith, type Fortress, lease, openFortress } from './fortress.ts';

/** Invariant 3 on the whole server: when the record of it cannot be written, no secret leaves by any door. */

const value = `hidden-${randomUUID()}`;
const refuse = (table: string, what = 'true'): string => `
  create or replace function refuse_audit() returns trigger language plpgsql as
    $$ begin raise exception 'the disk of the ledger is full'; end $$;
  create trigger refuse_audit before insert on ${table} for each row when (${what}) execute function refuse_audit();`;

let fortress: Fortress;
beforeAll(async () => {
  fortress = await openFortress();
}, 120_000);
afterAll(() => fortress.close());

describe('an audit that cannot be written', () => {
  it('keeps back a secret that is read, granted to a step, or handed to a deployment', async () => {
    const { ada, agent } = fortress;
    for (const environment of ['build', 'dev'])
      await ada.secrets.put(
        { project: 'shop', environment, path: 'orders/db' },
        { pass: SecretBytes.fromUtf8(value) },
      );
    const verify = 'verify:\n  - { name: check, run: check, secrets: { PASS: "orders/db#pass" } }\n';
    const dev =
      '  dev: { target: { type: process, port: 4001 }, promote: { auto: true }, secrets: { PASS: "orders/db#pass" } }\n';
    await addRepository(fortress, 'shop', definitionWith('', dev, verify));
    const { digest } = await buildBy(fortress, 'shop', 'first');
    await promoted('shop/dev', digest);
    await ada.runs.start('shop', { repository: 'orders' });
    const job = await lease(agent);
    await job.step('make');
    await job.finishStep('make', '');
    const asks: Record<string, () => Promise<unknown>> = {
      read: () => ada.transport.text('GET', '/api/secrets/shop/dev/data/orders/db'),
      deployment: () =>
        agent.transport.text('POST', '/api/agent/deployments/shop/dev/orders/secrets', {
          body: { revision: 1 },
        }),
      step: () =>
        agent.transport.text('POST', `/api/agent/jobs/${job.grant.runId}/steps/check/grant`, {
          headers: job.headers,
        }),
    };
    expect(await answer(asks['read'])).toContain(Buffer.from(value).toString('base64'));
    expect(await answer(asks['deployment'])).toContain(Buffer.from(value).toString('base64'));

    // All that says that a secret was given fails from here on; everything else works.
    await fortress.writePast(refuse('ledger_outbox', "new.resource like 'grant/%'"));
    for (const name of ['deployment', 'step']) {
      const text = await answer(asks[name]);
      expect([name, text]).toEqual([name, expect.stringMatching(/^Fault /)]);
      expect(text).not.toContain(value);
      expect(text).not.toContain(Buffer.from(value).toString('base64'));
    }

    // What clients of the vault are told of a change is written with the change. (Reads of a server that is alone are in
    // a file, see disk.slow.test.ts.)
    await fortress.writePast('drop trigger refuse_audit on ledger_outbox', refuse('journal_batches'));
    await expect(
      ada.secrets.put(
        { project: 'shop', environment: 'dev', path: 'orders/new' },
        { k: SecretBytes.fromUtf8('v') },
      ),
    ).rejects.toMatchObject({ kind: 'unavailable' });

    // Only the last record of a redemption fails: the grant itself is in the ledger already.
    await fortress.writePast(
      'drop trigger refuse_audit on journal_batches',
      refuse('ledger_outbox', "encode(new.body, 'escape') like '%grant.redeemed%'"),
    );
    expect(await answer(asks['deployment'])).toMatch(/^Fault /);

    await fortress.writePast('drop trigger refuse_audit on ledger_outbox');
    expect(await answer(asks['read'])).toContain(Buffer.from(value).toString('base64'));
    const missing = ada.transport.text('GET', '/api/secrets/shop/dev/data/orders/new');
    await expect(missing).rejects.toMatchObject({ kind: 'not_found' });
    const lines = await ada.transport.text('POST', '/api/ledger/verify');
    expect(JSON.parse(lines.trim().split('\n').at(-1) ?? '').report.findings).toEqual([]);
  }, 180_000);
});

async function answer(ask: (() => Promise<unknown>) | undefined): Promise<string> {
  try {
    return String(await ask?.());
  } catch (error) {
    return `Fault ${JSON.stringify(error)} ${String(error)}`;
  }
}

async function promoted(environments: string, digest: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const { deployments } = await fortress.agent.transport.json<{ deployments: { digest: string }[] }>(
      'GET',
      '/api/agent/deployments',
      { query: { environments, waitSeconds: 0 } },
    );
    if (deployments.some((each) => each.digest === digest)) return;
    await sleep(100);
  }
  throw new Error(`${digest} does not reach ${environments}`);
}
