import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Actor, systemActor } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, recordingAudit } from '../../test-support/fakes.ts';
import { createIdentity, type Identity, identityAudited, identityMigrations } from './index.ts';
import { testSigner } from './steps/signer.fixture.ts';

let test: TestDb;
let identity: Identity;
const clock = fixedClock();
const audit = recordingAudit();
const ids = countingIds();
let seed = 0;

beforeAll(async () => {
  test = await openTestDb(identityMigrations);
});
afterAll(() => test.close());

beforeEach(async () => {
  await test.db.write(async (tx) => {
    const { sql } = await import('kysely');
    await sql`truncate identity_principals, identity_emails, identity_policies, identity_tokens, identity_bootstrap, identity_step_tokens`.execute(
      tx,
    );
  });
  audit.clear();
  identity = createIdentity({
    db: test.db,
    audit,
    clock,
    random: {
      bytes: (size) => new Uint8Array(createHash('sha256').update(`${seed++}`).digest()).slice(0, size),
    },
    ids,
    oidcSigner: testSigner('key-1'),
    issuer: 'https://sallyport.test',
  });
});

async function tokenFor(
  policies: string[],
  ttlSeconds = 3600,
): Promise<{ text: string; actor: Actor; id: string }> {
  const person = await identity.createPerson(systemActor, {
    name: 'Someone',
    emails: [`p${seed}@example.org`],
    policies,
  });
  const issued = await identity.createToken(systemActor, { principalId: person.id, ttlSeconds });
  const text = issued.token.exposeUtf8();
  return { text, actor: await identity.authenticate(text), id: person.id };
}

const refused = expect.objectContaining({ kind: 'unauthenticated', code: 'identity.token_refused' });

describe('bootstrap', () => {
  it('gives the first administrator, once', async () => {
    const secret = await identity.bootstrap();
    const text = secret?.exposeUtf8() ?? '';

    const { person, issued } = await identity.login(text, {
      name: 'Ann',
      email: 'Ann@Example.org',
      ttlSeconds: 60,
    });

    expect(person.emails).toEqual(['ann@example.org']);
    const actor = await identity.authenticate(issued.token.exposeUtf8());
    await identity.authorize(actor, 'delete', 'anything/at/all');
    await expect(
      identity.login(text, { name: 'Eve', email: 'eve@example.org', ttlSeconds: 60 }),
    ).rejects.toThrow(refused);
    expect(await identity.bootstrap()).toBeUndefined();
  });

  it('lets exactly one of many concurrent exchanges through, also with different tokens', async () => {
    const first = (await identity.bootstrap())?.exposeUtf8() ?? '';
    const second = (await identity.bootstrap())?.exposeUtf8() ?? '';

    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        identity.login(i % 2 ? first : second, { name: 'X', email: `x${i}@example.org`, ttlSeconds: 60 }),
      ),
    );

    expect(outcomes.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    expect(await identity.listPrincipals(['person'])).toHaveLength(1);
  });

  it('refuses a token that expired and keeps only its hash', async () => {
    const text = (await identity.bootstrap())?.exposeUtf8() ?? '';
    const { sql } = await import('kysely');
    const rows = await test.db.read((tx) =>
      sql<{ hash: Uint8Array }>`select hash from identity_bootstrap`.execute(tx),
    );
    expect(Buffer.from(rows.rows[0]?.hash ?? []).toString('hex')).toBe(
      createHash('sha256').update(text).digest('hex'),
    );

    clock.advance(24 * 3600 * 1000);

    await expect(
      identity.login(text, { name: 'Ann', email: 'ann@example.org', ttlSeconds: 60 }),
    ).rejects.toThrow(refused);
  });
});

describe('tokens', () => {
  it('authenticates until it expires, is revoked, or its principal is disabled', async () => {
    const admin = await tokenFor(['admin']);
    const a = await tokenFor([], 60);
    const b = await tokenFor([]);
    const c = await tokenFor([]);
    const [token] = await identity.listTokens(b.id);

    await identity.revokeToken(admin.actor, token?.accessor ?? '');
    await identity.updatePrincipal(admin.actor, c.id, { disabled: true });
    clock.advance(60_000);

    for (const each of [a, b, c]) await expect(identity.authenticate(each.text)).rejects.toThrow(refused);
    expect((await identity.authenticate(admin.text)).id).toBe(admin.id);
  });

  it('refuses everything that is not exactly a token', async () => {
    const { text } = await tokenFor([]);
    const last = text.at(-1) ?? '';
    const sibling = last === 'A' ? 'B' : String.fromCharCode(last.charCodeAt(0) + 1);
    const hostile = [
      '',
      'sp_',
      'sp_AAAA',
      `${text} `,
      ` ${text}`,
      `${text}=`,
      text.toUpperCase(),
      text.slice(0, -1),
      text.slice(0, -1) + sibling,
      `sp_${'A'.repeat(43)}`,
      `sp_${'A'.repeat(100_000)}`,
      'a.b.c',
      '\0',
    ];

    for (const bearer of hostile)
      await expect(identity.authenticate(bearer), bearer).rejects.toThrow(refused);
  });

  it('loses a policy as soon as its principal does', async () => {
    const admin = await tokenFor(['admin']);
    const other = await tokenFor(['admin']);

    await identity.updatePrincipal(admin.actor, other.id, { policies: [] });

    expect((await identity.authenticate(other.text)).policies).toEqual([]);
  });

  it('notes when it was last used, at most once a minute', async () => {
    const { text, id } = await tokenFor([]);
    const before = (await identity.listTokens(id))[0]?.lastUsedAt;
    clock.advance(59_000);
    await identity.authenticate(text);
    expect((await identity.listTokens(id))[0]?.lastUsedAt).toEqual(before);
    clock.advance(1000);
    await identity.authenticate(text);
    expect((await identity.listTokens(id))[0]?.lastUsedAt).toEqual(clock.now());
  });

  it('never puts the token into the ledger or the database', async () => {
    const { text } = await tokenFor([]);
    const { sql } = await import('kysely');
    const rows = await test.db.read((tx) => sql`select * from identity_tokens`.execute(tx));

    expect(JSON.stringify(audit.events)).not.toContain(text);
    expect(JSON.stringify(rows.rows)).not.toContain(text);
  });
});

describe('escalation', () => {
  it('is refused wherever policies or groups are handed on', async () => {
    const admin = await tokenFor(['admin']);
    await identity.putPolicy(admin.actor, 'helpdesk', [
      { path: 'identity/*', capabilities: ['create', 'read', 'update'] },
    ]);
    const desk = await tokenFor(['helpdesk']);
    const denied = expect.objectContaining({ kind: 'denied', code: 'identity.escalation' });

    const attempts = [
      () => identity.createPerson(desk.actor, { name: 'E', emails: [], policies: ['admin'] }),
      () => identity.createPerson(desk.actor, { name: 'E', emails: [], groups: ['release'] }),
      () => identity.createWorkload(desk.actor, { kind: 'agent', name: 'e', policies: ['agent'] }),
      () => identity.updatePrincipal(desk.actor, desk.id, { policies: ['helpdesk', 'admin'] }),
      () => identity.updatePrincipal(desk.actor, desk.id, { groups: ['release'] }),
      () => identity.updatePrincipal(desk.actor, admin.id, { disabled: true }),
      () => identity.createToken(desk.actor, { principalId: admin.id, ttlSeconds: 60 }),
      () => identity.putPolicy(desk.actor, 'helpdesk', [{ path: '*', capabilities: ['read'] }]),
      () => identity.removePolicy(desk.actor, 'helpdesk'),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toThrow(denied);

    await expect(
      identity.createToken(admin.actor, { principalId: desk.id, policies: ['admin'], ttlSeconds: 60 }),
    ).rejects.toThrow(expect.objectContaining({ code: 'identity.policy_not_held' }));
  });

  it('keeps the last administrator, also when two are removed at once', async () => {
    const a = await tokenFor(['admin']);
    const b = await tokenFor(['admin']);

    const outcomes = await Promise.allSettled([
      identity.updatePrincipal(a.actor, b.id, { policies: [] }),
      identity.updatePrincipal(b.actor, a.id, { disabled: true }),
    ]);

    expect(outcomes.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await identity.bootstrap()).toBeUndefined();
  });

  it('does not let built-in policies be changed', async () => {
    for (const name of ['admin', 'agent'])
      await expect(identity.putPolicy(systemActor, name, [])).rejects.toThrow(
        expect.objectContaining({ code: 'identity.policy_built_in' }),
      );
  });
});

describe('authorize', () => {
  it('follows a policy as it changes, and fails closed on a name without policy', async () => {
    const { actor } = await tokenFor(['reader']);
    const denied = expect.objectContaining({ kind: 'denied', code: 'identity.denied' });

    await expect(identity.authorize(actor, 'read', 'projects/shop')).rejects.toThrow(denied);
    await identity.putPolicy(systemActor, 'reader', [{ path: 'projects/*', capabilities: ['read'] }]);
    await identity.authorize(actor, 'read', 'projects/shop');
    await identity.removePolicy(systemActor, 'reader');
    await expect(identity.authorize(actor, 'read', 'projects/shop')).rejects.toThrow(denied);
  });
});

describe('people', () => {
  it('finds a person by any spelling of an address, and nobody by other text', async () => {
    const person = await identity.createPerson(systemActor, { name: 'Ann', emails: ['Ann@Example.org'] });

    expect((await identity.findPersonByEmail('ann@EXAMPLE.org'))?.id).toBe(person.id);
    expect(await identity.findPersonByEmail('ann@example.org\n')).toBeUndefined();
    expect(await identity.findPersonByEmail('')).toBeUndefined();
  });

  it('gives an address to one person only', async () => {
    await identity.createPerson(systemActor, { name: 'Ann', emails: ['ann@example.org'] });

    await expect(
      identity.createPerson(systemActor, { name: 'Eve', emails: ['ANN@example.org'] }),
    ).rejects.toThrow(expect.objectContaining({ kind: 'conflict', code: 'identity.email_taken' }));
    expect(await identity.listPrincipals(['person'])).toHaveLength(1);
  });

  it('refuses names that forge a line or a direction', async () => {
    for (const name of ['', ' ', 'a\nb', 'a\u202eb', 'x'.repeat(101), '\0'])
      await expect(identity.createPerson(systemActor, { name, emails: [] })).rejects.toThrow(
        expect.objectContaining({ code: 'identity.name_invalid' }),
      );
  });
});

describe('audited tables', () => {
  it('equal the last recorded state of every resource', async () => {
    const admin = await tokenFor(['admin']);
    const other = await tokenFor([]);
    await identity.updatePrincipal(admin.actor, other.id, { groups: ['b', 'a'], name: 'Other' });
    await identity.revokeToken(admin.actor, (await identity.listTokens(other.id))[0]?.accessor ?? '');
    await identity.putPolicy(admin.actor, 'p', [{ path: 'a', capabilities: ['list', 'read'] }]);
    await identity.putPolicy(admin.actor, 'gone', []);
    await identity.removePolicy(admin.actor, 'gone');
    await test.db.write((tx) =>
      identity.issueStepToken(tx, {
        runId: 'run_1',
        step: 'unit',
        project: 'shop',
        service: 'orders',
        trust: 'trusted',
        commit: 'a'.repeat(40),
        ref: 'refs/heads/main',
        audience: 'https://sallyport.test',
        ttlSeconds: 60,
      }),
    );
    await test.db.write((tx) => identity.endStepTokens(tx, 'run_1'));

    const last = new Map(audit.events.map((event) => [event.resource, event.state]));
    const now = new Map<string, unknown>();
    for (const table of identityAudited())
      for (const [resource, state] of await test.db.read((tx) => table.states(tx))) {
        expect(resource.startsWith(`${table.kind}/`)).toBe(true);
        now.set(resource, state);
      }

    expect(last.get('policy/gone')).toBeNull();
    last.delete('policy/gone');
    expect(Object.fromEntries(now)).toEqual(Object.fromEntries(last));
  });
});
