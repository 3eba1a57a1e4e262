import { secrets, type Target } from './requests.ts';

const policy = `
path "app/data/*" { capabilities = ["create", "read", "update"] }
path "app/metadata/*" { capabilities = ["list"] }
path "transit/encrypt/bench" { capabilities = ["update"] }
path "transit/sign/*" { capabilities = ["update"] }
`;

/** Brings an empty server to where the loads find what they ask for. */
export async function prepare(address: string, rootToken: string): Promise<Target> {
  async function ask(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': rootToken },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Answer);
  }

  await ask('POST', 'sys/mounts/app', { type: 'kv', options: { version: '2' } });
  await ask('POST', 'sys/mounts/transit', { type: 'transit' });
  await ask('POST', 'sys/auth/approle', { type: 'approle' });
  await ask('PUT', 'sys/policies/acl/bench', { policy });
  await ask('POST', 'transit/keys/bench', { type: 'aes256-gcm96' });
  await ask('POST', 'transit/keys/bench-ed25519', { type: 'ed25519' });
  await ask('POST', 'transit/keys/bench-rsa', { type: 'rsa-2048' });
  await ask('POST', 'auth/approle/role/bench', { token_policies: ['bench'], token_ttl: '1h' });
  const { data: role } = await ask('GET', 'auth/approle/role/bench/role-id');
  const { data: secret } = await ask('POST', 'auth/approle/role/bench/secret-id');
  const { auth } = await ask('POST', 'auth/token/create', { policies: ['bench'], ttl: '24h' });
  for (let n = 0; n < secrets; n += 1) {
    await ask('POST', `app/data/team${Math.floor(n / 100)}/secret${n}`, {
      data: {
        username: 'orders-service',
        password: `first-${n}-of-many`,
        url: 'postgres://db.internal/orders',
      },
    });
  }
  return {
    port: Number(new URL(address).port),
    token: String(auth?.['client_token']),
    rootToken,
    roleId: String(role?.['role_id']),
    secretId: String(secret?.['secret_id']),
  };
}

interface Answer {
  readonly data?: Readonly<Record<string, unknown>>;
  readonly auth?: Readonly<Record<string, unknown>>;
}
