import { Fault, SecretBytes } from '@sallyport/formats';
import {
  appRoleLogin,
  givenJwt,
  jwtFile,
  jwtLogin,
  kubernetesLogin,
  type LoginSource,
  tokenLogin,
  userpassLogin,
} from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect } from '../../connect.ts';
import { readSecret } from '../../input.ts';
import { dataOf, tell, textOf, textsOf } from './answers.ts';
import { vaultAddress, withVault } from './connect.ts';
import { savedVaultToken, saveVaultToken } from './token-store.ts';

const methods = ['sallyport', 'token', 'userpass', 'approle', 'jwt', 'kubernetes'];

export const vaultLogin: Command = {
  name: ['vault', 'login'],
  summary: 'sign in to the secrets store and keep the token, readable by you only',
  more: [
    'Whoever is signed in by sally login needs nothing else: the method sallyport gives a token with the same rights on',
    'secrets, for an hour at most. Else token, password, secret id and JWT come from standard input or are asked for.',
    'Without a login, commands use VAULT_TOKEN, or sign in by themselves as SALLYPORT_VAULT_AUTH says: jwt, github, gitlab,',
    'kubernetes or approle, with SALLYPORT_VAULT_ROLE, SALLYPORT_VAULT_MOUNT and what the method needs; that token ends',
    'with the command.',
  ],
  flags: {
    method: {
      type: 'string',
      short: 'm',
      value: 'METHOD',
      doc: `${methods.join(', ')}; sallyport where signed in, else token`,
    },
    path: {
      type: 'string',
      value: 'MOUNT',
      doc: 'where the method is mounted below auth/; default its own name',
    },
    user: { type: 'string', value: 'NAME', doc: 'userpass: your name' },
    role: { type: 'string', value: 'ROLE', doc: 'jwt, kubernetes: the role; approle: the role id' },
    'jwt-file': { type: 'string', value: 'FILE', doc: 'jwt, kubernetes: the token is in this file' },
    'no-store': { type: 'boolean', doc: 'print the token and keep nothing' },
  },
  examples: [
    'sally vault login',
    'sally vault login --method token < token.txt',
    'sally vault login --method userpass --user ada',
    'sally vault login --method approle --role 7f1c6a1e < secret-id.txt',
    'sally vault login --method jwt --role ci --jwt-file /run/secrets/jwt --no-store',
  ],
  run: async (invocation) => {
    const { out, settings, on } = invocation;
    const login = await sourceOf(invocation);
    const address = vaultAddress(invocation);
    const { issued, data } = await withVault(
      invocation,
      async (client) => {
        const made = await client.token();
        return {
          issued: made,
          data: await dataOf(client, { method: 'GET', path: 'auth/token/lookup-self' }),
        };
      },
      login,
    );
    const policies = textsOf(data['policies']);
    const facts = { policies, seconds: issued.seconds, renewable: issued.renewable };
    const token = issued.token.exposeUtf8().trim();
    issued.token.wipe();
    if (on('no-store')) {
      out.data({ ...facts, token }, () => token);
      return undefined;
    }
    const file = saveVaultToken(settings, address, token);
    out.data(
      { ...facts, address, file },
      () => `signed in to ${address} with ${policies.join(', ') || 'no policy'}`,
    );
    if (settings.env['VAULT_TOKEN']) out.warn('VAULT_TOKEN is set, and is used instead of this token');
    return undefined;
  },
};

async function sourceOf(invocation: Invocation): Promise<LoginSource> {
  const { flag } = invocation;
  const method = flag('method') ?? (isSignedIn(invocation) ? 'sallyport' : 'token');
  const mount = flag('path');
  const need = (name: string): string => {
    const value = flag(name);
    if (value !== undefined) return value;
    throw new Fault('invalid', 'cli.usage', `expected --${name} for the method ${method}, got nothing`);
  };
  const file = flag('jwt-file');
  switch (method) {
    case 'sallyport':
      return tokenLogin(await exchanged(invocation));
    case 'token':
      return tokenLogin(await readSecret('token'));
    case 'userpass':
      return userpassLogin({ mount, name: need('user'), password: await readSecret('password') });
    case 'approle':
      return appRoleLogin({ mount, roleId: need('role'), secretId: await readSecret('secret id') });
    case 'jwt': {
      const token = file === undefined ? givenJwt(await readSecret('JWT')) : jwtFile(file);
      return jwtLogin({ mount, role: need('role'), token });
    }
    case 'kubernetes':
      return kubernetesLogin({ mount, role: need('role'), tokenFile: file });
    default:
      throw new Fault(
        'invalid',
        'cli.usage',
        `expected --method to be one of ${methods.join(', ')}, got '${method}'`,
      );
  }
}

/** At this very address: a token of one server is not shown to another. */
function isSignedIn(invocation: Invocation): boolean {
  const { token, address } = invocation.settings;
  return token !== undefined && vaultAddress(invocation) === address;
}

async function exchanged(invocation: Invocation): Promise<SecretBytes> {
  const { address } = invocation.settings;
  const asked = vaultAddress(invocation);
  if (asked !== address) {
    throw new Fault('invalid', 'cli.usage', `expected the server of sally login, ${address}, got ${asked}`, {
      hint: 'choose another --method, or sign in there with sally login',
    });
  }
  const { token } = await connect(invocation).transport.json<{ token: string }>(
    'POST',
    '/api/secrets/token',
    {
      body: {},
    },
  );
  return SecretBytes.fromUtf8(token);
}

export const vaultLogout: Command = {
  name: ['vault', 'logout'],
  summary: 'end the token of sally vault login, here and on the server',
  examples: ['sally vault logout'],
  run: async (invocation) => {
    const { out, settings } = invocation;
    const address = vaultAddress(invocation);
    const token = savedVaultToken(settings, address);
    if (token === undefined) {
      throw new Fault('not_found', 'cli.no_token', `expected a token for ${address}, found none`);
    }
    // Gone from here whatever the server says: a token that it does not take any more is no use either.
    saveVaultToken(settings, address, undefined);
    const login = tokenLogin(SecretBytes.fromUtf8(token));
    const call = { method: 'POST', path: 'auth/token/revoke-self', body: {} } as const;
    await withVault(invocation, (client) => tell(client, call), login);
    out.data({ address, signedOut: true }, () => `signed out of ${textOf(address)}`);
    return undefined;
  },
};
