import { randomBytes } from 'node:crypto';

/** The loads of the benchmark: each a list of whole requests, made before the clock runs. */
export type LoadName =
  | 'read'
  | 'write'
  | 'mixed'
  | 'list'
  | 'login'
  | 'createToken'
  | 'encrypt'
  | 'signEd25519'
  | 'signRsa'
  | 'fill'
  | 'fillTokens';

/** What requests need to know of the server they are for. */
export interface Target {
  readonly port: number;
  /** May do what an application may, by a policy: root would skip the decision. */
  readonly token: string;
  /** Makes tokens. */
  readonly rootToken: string;
  readonly roleId: string;
  readonly secretId: string;
}

/** Secrets that are read, written and listed: in folders of 100. */
export const secrets = 1000;
const perFolder = 100;
/** So many that no write brings a value that its secret has already, at the rates and times measured here. */
const different = 40_000;

type Method = 'GET' | 'LIST' | 'POST';

export function requestsOf(name: LoadName, target: Target, count = different): readonly Buffer[] {
  const make = makers[name];
  const size = name === 'fill' || name === 'fillTokens' ? count : sizes[name];
  return Array.from({ length: size }, (_, n) => make(target, n));
}

const sizes: Readonly<Record<Exclude<LoadName, 'fill' | 'fillTokens'>, number>> = {
  read: secrets,
  write: different,
  mixed: different,
  list: secrets / perFolder,
  login: 1,
  createToken: 1,
  encrypt: 1000,
  signEd25519: 1000,
  signRsa: 1000,
};

const makers: Readonly<Record<LoadName, (target: Target, n: number) => Buffer>> = {
  read: ({ token }, n) => request('GET', `app/data/${secretPath(n)}`, token),
  write: ({ token }, n) => request('POST', `app/data/${secretPath(n)}`, token, { data: threeValues() }),
  mixed: (target, n) => (n % 10 === 9 ? makers.write(target, n) : makers.read(target, n)),
  list: ({ token }, n) => request('LIST', `app/metadata/team${n}`, token),
  login: ({ roleId, secretId }) =>
    request('POST', 'auth/approle/login', '', { role_id: roleId, secret_id: secretId }),
  createToken: ({ rootToken }) =>
    request('POST', 'auth/token/create', rootToken, { policies: ['bench'], ttl: '1h' }),
  encrypt: ({ token }) =>
    request('POST', 'transit/encrypt/bench', token, { plaintext: randomBytes(32).toString('base64') }),
  signEd25519: ({ token }) =>
    request('POST', 'transit/sign/bench-ed25519', token, { input: randomBytes(32).toString('base64') }),
  signRsa: ({ token }) =>
    request('POST', 'transit/sign/bench-rsa', token, { input: randomBytes(32).toString('base64') }),
  fill: ({ rootToken }, n) =>
    request('POST', `app/data/fill${Math.floor(n / perFolder)}/secret${n}`, rootToken, {
      data: threeValues(),
    }),
  fillTokens: ({ rootToken }) =>
    request('POST', 'auth/token/create', rootToken, { policies: ['bench'], ttl: '720h', no_parent: true }),
};

function secretPath(n: number): string {
  const number = n % secrets;
  return `team${Math.floor(number / perFolder)}/secret${number}`;
}

function threeValues(): Readonly<Record<string, string>> {
  return {
    username: 'orders-service',
    password: randomBytes(18).toString('base64url'),
    url: 'postgres://db.internal:5432/orders',
  };
}

function request(method: Method, path: string, token: string, body?: object): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body);
  return Buffer.from(
    [
      `${method} /v1/${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      // What Vault's clients send.
      'User-Agent: Go-http-client/1.1',
      ...(text === '' ? [] : [`Content-Length: ${text.length}`, 'Content-Type: application/json']),
      'X-Vault-Request: true',
      ...(token === '' ? [] : [`X-Vault-Token: ${token}`]),
      'Accept-Encoding: identity',
      '',
      text,
    ].join('\r\n'),
  );
}
