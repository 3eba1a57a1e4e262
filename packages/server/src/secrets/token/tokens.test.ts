import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rule } from '#identity';
import type { Actor } from '#platform';
import { person } from '../../../test-support/fakes.ts';
import { openSecrets, type SecretsFixture, text } from '../secrets.fixture.ts';

let open: SecretsFixture;
const system: Actor = { kind: 'system', id: 'system', name: 'sallyport', policies: [], groups: [] };
const coded = (code: string) => expect.objectContaining({ code });

beforeAll(async () => {
  open = await openSecrets();
  for (const environment of ['dev', 'prod'])
    await open.secrets.put(system, {
      project: 'shop',
      environment,
      path: 'orders/db',
      data: { password: text(`of ${environment}`) },
    });
});
afterAll(() => open.close());

/** Signed in as the identity context says, for a day. */
async function signedIn(name: string, rules: readonly Rule[] | 'admin', ttlSeconds = 86_400): Promise<Actor> {
  const { identity } = open;
  const policy = rules === 'admin' ? 'admin' : name;
  if (rules !== 'admin') await identity.putPolicy(admin, name, rules);
  const { id } = await identity.createWorkload(admin, { kind: 'workload', name, policies: [policy] });
  const issued = await identity.createToken(admin, { principalId: id, ttlSeconds });
  return await identity.authenticate(issued.token.exposeUtf8());
}
const admin = person('root', { policies: ['admin'] });

const ask = (...parts: Parameters<SecretsFixture['ask']>) => open.ask(...parts);
const tokenOf = async (actor: Actor, wanted = {}): Promise<string> =>
  (await open.secrets.vaultToken(actor, wanted)).token.exposeUtf8();

describe('a native identity', () => {
  it('becomes a token with its own rights, and reads the very same secret', async () => {
    const rules: Rule[] = [{ path: 'secrets/shop/dev/*', capabilities: ['read'], effect: 'allow' }];
    const token = await tokenOf(await signedIn('reader', rules));

    const read = await ask(token, 'GET', 'shop/dev/data/orders/db');
    expect([read.status, read.body.data.data]).toEqual([200, { password: 'of dev' }]);
    for (const [method, path] of [
      ['GET', 'shop/prod/data/orders/db'],
      ['POST', 'shop/dev/data/orders/db'],
      ['LIST', 'shop/dev/metadata'],
      ['GET', 'sys/mounts'],
    ] as const)
      expect((await ask(token, method, path, { data: {} })).status, path).toBe(403);
  });

  it('is an entity: its name, its id, whichever door it comes by', async () => {
    const actor = await signedIn('entity', []);
    const token = await tokenOf(actor);
    await open.secrets.list(actor, { project: 'shop', environment: 'dev' });

    const self = (await ask(token, 'GET', 'auth/token/lookup-self')).body.data;
    expect(self).toMatchObject({
      display_name: 'entity',
      meta: { actor_kind: 'workload', actor_id: actor.id },
    });
    expect(self.entity_id).not.toBe('');
    const entries = await open.auditLines();
    const native = entries.findLast((each) => each.request.path === 'shop/dev/metadata');
    expect(native).toMatchObject({ auth: { display_name: 'entity', entity_id: self.entity_id } });
    expect(entries.some((each) => each.request.path === 'auth/sallyport/login')).toBe(true);
  });

  it('that administers may do everything, under a name', async () => {
    const issued = await open.secrets.vaultToken(await signedIn('chief', 'admin'), {});
    const token = issued.token.exposeUtf8();

    expect(issued.policies).toEqual(['default', 'sallyport-admin']);
    expect((await ask(token, 'GET', 'shop/prod/data/orders/db')).status).toBe(200);
    expect((await ask(token, 'GET', 'sys/mounts')).status).toBe(200);
    expect((await ask(token, 'GET', 'sys/audit')).status).toBe(200);
  });

  it('that administers but is denied something gets no more than that leaves', async () => {
    await open.identity.putPolicy(admin, 'no-prod', [
      { path: 'secrets/shop/prod/*', capabilities: ['read'], effect: 'deny' },
    ]);
    const chief = await signedIn('held-back', 'admin');
    const token = await tokenOf({ ...chief, policies: ['admin', 'no-prod'] });

    expect((await ask(token, 'GET', 'shop/dev/data/orders/db')).status).toBe(200);
    expect((await ask(token, 'GET', 'shop/prod/data/orders/db')).status).toBe(403);
  });

  it('can ask for one environment only', async () => {
    const token = await tokenOf(await signedIn('one', 'admin'), { project: 'shop', environment: 'dev' });

    expect((await ask(token, 'GET', 'shop/dev/data/orders/db')).status).toBe(200);
    expect((await ask(token, 'GET', 'shop/prod/data/orders/db')).status).toBe(403);
  });

  it('loses with the next token what it lost natively, also by the tokens it has', async () => {
    const rules: Rule[] = [{ path: 'secrets/shop/dev/*', capabilities: ['read'], effect: 'allow' }];
    const actor = await signedIn('changing', rules);
    const token = await tokenOf(actor);
    await open.identity.putPolicy(admin, 'changing', []);
    await tokenOf(actor);

    expect((await ask(token, 'GET', 'shop/dev/data/orders/db')).status).toBe(403);
  });
});

describe('its token', () => {
  it('lives an hour at most, however often it is renewed', async () => {
    const actor = await signedIn('hourly', []);
    const issued = await open.secrets.vaultToken(actor, {});
    const token = issued.token.exposeUtf8();
    expect(issued.expiresAt.getTime() - open.clock.now().getTime()).toBe(3600_000);

    open.clock.advance(3000_000);
    expect((await ask(token, 'POST', 'auth/token/renew-self', { increment: 7200 })).status).toBe(200);
    expect((await ask(token, 'GET', 'auth/token/lookup-self')).body.data.ttl).toBeLessThan(605);
    open.clock.advance(605_000);
    expect((await ask(token, 'GET', 'auth/token/lookup-self')).status).toBe(403);
  });

  it('does not outlive what its owner is signed in with', async () => {
    const issued = await open.secrets.vaultToken(await signedIn('brief', [], 90), {});

    expect(issued.expiresAt.getTime() - open.clock.now().getTime()).toBe(90_000);
  });

  it('is for people and workloads that are signed in', async () => {
    const refused = coded('secrets.no_vault_token');
    for (const actor of [
      system,
      { ...person('x'), kind: 'agent' as const },
      { ...person('x'), kind: 'step' as const },
      person('without-token'),
    ])
      await expect(open.secrets.vaultToken(actor, {})).rejects.toThrow(refused);
    const half = open.secrets.vaultToken(await signedIn('half', []), { project: 'shop' });
    await expect(half).rejects.toThrow(coded('secrets.token_invalid'));
  });
});
