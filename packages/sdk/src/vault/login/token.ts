import { Fault, SecretBytes } from '@sallyport/formats';
import { type LoginSource, type LoginTools, trimmed } from './source.ts';

/** A token that somebody made. The client has a copy of its own. */
export function tokenLogin(token: SecretBytes): LoginSource {
  const own = SecretBytes.from(token.expose());
  return {
    name: 'token',
    repeatable: false,
    login: (tools) => describe(tools, SecretBytes.from(own.expose())),
  };
}

/** A token that somebody else keeps fresh in a file, such as an agent: read again whenever one is needed. */
export function tokenFileLogin(file: string): LoginSource {
  return {
    name: `token file ${file}`,
    repeatable: true,
    login: async (tools) => await describe(tools, trimmed(await tools.readFile(file))),
  };
}

/** A token that may not look at itself is used as it is, and not renewed. */
async function describe({ calls }: LoginTools, token: SecretBytes) {
  const answer = await calls.send({ method: 'GET', path: 'auth/token/lookup-self', accept: [403] }, token);
  const known = answer.status === 200;
  const issued = {
    token,
    seconds: known ? Math.max(0, answer.number('data', 'ttl') ?? 0) : 0,
    renewable: known && answer.flag('data', 'renewable'),
  };
  answer.wipe();
  if (token.sizeBytes === 0)
    throw new Fault('unauthenticated', 'vault.no_token', 'expected a token, got nothing');
  return issued;
}
