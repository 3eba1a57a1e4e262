import { isFault, SecretBytes } from '@sallyport/formats';
import { afterEach, describe, expect, it } from 'vitest';
import { createVaultClient, type VaultClient } from './client.ts';
import { givenJwt, jwtLogin } from './login/jwt.ts';
import { tokenLogin } from './login/token.ts';
import { type ManualTiming, manualTiming, type Reply, type Scripted, scripted } from './scripted.fixture.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Scene {
  readonly client: VaultClient;
  readonly server: Scripted;
  readonly timing: ManualTiming;
  readonly troubles: unknown[];
}

/** `reply` answers what it wants to; else logins give `t1`, `t2` … for 90 seconds, which are alive until `dead` has them. */
async function scene(
  options: {
    reply?: (line: string, token: string) => ReturnType<Reply> | undefined;
    token?: boolean;
    dead?: Set<string>;
  } = {},
): Promise<Scene> {
  const { dead = new Set() } = options;
  let count = 0;
  const troubles: unknown[] = [];
  const server = await scripted((request) => {
    const token = String(request.headers['x-vault-token'] ?? '');
    const own = options.reply?.(`${request.method} ${request.url}`, token);
    if (own !== undefined) return own;
    if (request.url === '/v1/auth/jwt/login') {
      count += 1;
      return auth(`t${count}`, 90);
    }
    if (dead.has(token)) return { status: 403, body: { errors: ['permission denied'] } };
    if (request.url === '/v1/auth/token/renew-self') return auth(token, 90);
    if (request.url === '/v1/auth/token/lookup-self')
      return { status: 200, body: { data: { ttl: 90, renewable: true } } };
    return { status: 200, body: { data: { token } } };
  });
  const timing = manualTiming();
  const jwt = givenJwt(SecretBytes.fromUtf8('jwt'));
  const client = createVaultClient({
    address: server.address,
    login:
      options.token === true
        ? tokenLogin(SecretBytes.fromUtf8('given'))
        : jwtLogin({ role: 'app', token: jwt }),
    timing,
    attempts: 1,
    onTrouble: (fault) => troubles.push(fault),
  });
  open.push(server, client);
  return { client, server, timing, troubles };
}

const auth = (token: string, seconds: number, renewable = true) => ({
  status: 200,
  body: { auth: { client_token: token, lease_duration: seconds, renewable } },
});

const ask = async ({ client }: Scene): Promise<string | undefined> => {
  const answer = await client.request({ method: 'GET', path: 'secret/a' });
  return answer.text('data', 'token');
};

const logins = ({ server }: Scene): number => server.seen.filter((line) => line.endsWith('/login')).length;
const renewals = ({ server }: Scene): number =>
  server.seen.filter((line) => line.endsWith('renew-self')).length;

describe('a session', () => {
  it('signs in when the first call comes, once for many at a time', async () => {
    const it = await scene();
    const before = it.server.seen.length;

    const tokens = await Promise.all([ask(it), ask(it), ask(it)]);

    expect([before, logins(it)]).toEqual([0, 1]);
    expect(tokens).toEqual(['t1', 't1', 't1']);
  });

  it('renews at two thirds of the time to live, again and again', async () => {
    const it = await scene();
    await ask(it);
    expect(it.timing.waiting[0]).toBeCloseTo(57_000);

    await it.timing.advance(56_999);
    expect(renewals(it)).toBe(0);
    await it.timing.advance(1);
    expect(renewals(it)).toBe(1);
    await it.timing.advance(57_000);

    expect([renewals(it), logins(it), await ask(it)]).toEqual([2, 1, 't1']);
  });

  it('signs in anew before the longest life of a token ends', async () => {
    const it = await scene({
      reply: (line, token) => (line.endsWith('renew-self') ? auth(token, 20) : undefined),
    });
    await ask(it);

    await it.timing.advance(57_000);

    expect([logins(it), await ask(it)]).toEqual([2, 't2']);
  });

  it('signs in anew at two thirds, where tokens cannot be renewed', async () => {
    const it = await scene({
      reply: (line) => (line.endsWith('/login') ? auth('batch', 90, false) : undefined),
    });
    await ask(it);

    await it.timing.advance(57_000);

    expect([logins(it), renewals(it)]).toEqual([2, 0]);
  });

  it('goes on trying while the server is away, and says so', async () => {
    let away = true;
    const it = await scene({
      reply: (line) =>
        away && line.endsWith('renew-self') ? { status: 503, body: { errors: ['x'] } } : undefined,
    });
    await ask(it);

    await it.timing.advance(57_000);
    const first = renewals(it);
    away = false;
    await it.timing.advance(2_000);

    expect([first, renewals(it), it.troubles.length, logins(it)]).toEqual([1, 2, 1, 1]);
  });

  it('replaces a token that was revoked, and asks again with the new one', async () => {
    const dead = new Set<string>();
    const it = await scene({ dead });
    await ask(it);
    await it.timing.advance(11_000);
    dead.add('t1');

    const tokens = await Promise.all([ask(it), ask(it)]);

    expect([...tokens, logins(it)]).toEqual(['t2', 't2', 2]);
  });

  it('takes a refusal for one while the token is alive', async () => {
    const it = await scene({ reply: (line) => (line === 'GET /v1/secret/b' ? { status: 403 } : undefined) });
    await ask(it);
    await it.timing.advance(11_000);

    const refused = await it.client
      .request({ method: 'GET', path: 'secret/b' })
      .catch((error: unknown) => error);

    expect(isFault(refused) && refused.code).toBe('vault.denied');
    expect(logins(it)).toBe(1);
  });

  it('does not sign in for every refusal of a token that may not look at itself', async () => {
    const it = await scene({
      reply: (line) => (line.endsWith('lookup-self') || line.endsWith('/b') ? { status: 403 } : undefined),
    });
    for (let count = 0; count < 20; count += 1) {
      await it.client.request({ method: 'GET', path: 'secret/b' }).catch(() => undefined);
      await it.timing.advance(1_000);
    }

    expect(logins(it)).toBeLessThanOrEqual(3);
  });

  it('cannot replace a token that was given, and says that it has ended', async () => {
    const it = await scene({
      token: true,
      reply: (line) => (line.endsWith('renew-self') ? { status: 403 } : undefined),
    });
    await ask(it);
    await it.timing.advance(91_000);

    const refused = await ask(it).catch((error: unknown) => error);

    expect(isFault(refused) && refused.code).toBe('vault.token_ended');
  });

  it('uses a token that may not look at itself as it is', async () => {
    const it = await scene({
      token: true,
      reply: (line) => (line.endsWith('lookup-self') ? { status: 403 } : undefined),
    });

    expect([await ask(it), it.timing.waiting]).toEqual(['given', []]);
  });

  it('ends: nothing is renewed, the token is revoked where asked, and no call is taken', async () => {
    const it = await scene();
    await ask(it);

    await it.client.close({ revoke: true });
    await it.timing.advance(200_000);

    expect(it.server.seen.at(-1)).toBe('POST /v1/auth/token/revoke-self');
    expect(renewals(it)).toBe(0);
    await expect(ask(it)).rejects.toMatchObject({ code: 'vault.closed' });
  });

  it('that ends while it signs in does not come to life again', async () => {
    const it = await scene();
    const asked = ask(it).catch((error: unknown) => error);
    await it.client.close();

    expect(await asked).toMatchObject({ code: expect.stringMatching(/^(vault\.closed|sdk\.unreachable)$/) });
    expect(it.timing.waiting).toEqual([]);
  });
});
