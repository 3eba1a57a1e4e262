import { Fault, SecretBytes } from '@sallyport/formats';
import { createVaultClient, tokenLogin, type VaultClient } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { warnIfOpen } from '../../connect.ts';
import { readSecret } from '../../input.ts';
import { withVault } from '../vault/connect.ts';
import { readFile } from '../vault/values.ts';
import { type AgeKeys, ageDecrypt, parseIdentities } from './age.ts';
import { bringIn } from './bring-in.ts';
import { parseDotenv } from './dotenv.ts';
import { readExport } from './export-file.ts';
import { badFile, type Found, wipeFound } from './found.ts';
import { readSops } from './sops.ts';
import { walkSecrets } from './walk.ts';

const kinds = ['vault', 'dotenv', 'sops', 'export'];
const maxExportBytes = 512 * 1024 * 1024;

export const secretImport: Command = {
  name: ['secret', 'import'],
  summary: 'bring secrets in: from another Vault, a dotenv file, a SOPS file, or an export',
  more: [
    'dotenv and sops become one secret at --to; vault and export become all secrets below it. What is there already stays,',
    'unless --overwrite. The token of the other server comes from a file, standard input, or is asked for. SOPS files in',
    'JSON and dotenv with an age key are opened here; for others (YAML, PGP, cloud keys) the program sops is started.',
  ],
  args: [{ name: 'SOURCE', doc: 'a file, - for standard input, or https://other.example:8200/MOUNT/PATH' }],
  flags: {
    from: { type: 'string', value: 'KIND', doc: kinds.join(', ') },
    to: { type: 'string', value: 'PATH', doc: 'where to: a mount or a path in it, such as secret/app' },
    'dry-run': { type: 'boolean', doc: 'show the names of what would be written, and write nothing' },
    overwrite: { type: 'boolean', doc: 'write also where there is a secret already' },
    versions: {
      type: 'boolean',
      doc: 'vault, export: all versions, oldest first, not the current ones alone',
    },
    identity: {
      type: 'string',
      value: 'FILE',
      doc: 'sops, export: the age identity (also SOPS_AGE_KEY_FILE)',
    },
    'token-file': { type: 'string', value: 'FILE', doc: 'vault: the token of the other server' },
    cacert: { type: 'string', value: 'FILE', doc: 'vault: the authority of the other server, as PEM' },
  },
  examples: [
    'sally secret import --from dotenv .env --to secret/app --dry-run',
    'sally secret import --from sops secrets.enc.json --to secret/app --identity keys.txt',
    'sally secret import --from vault https://old.example:8200/secret --to secret --versions',
    'sally secret import --from export secrets.age --to secret',
  ],
  run: async (invocation) => {
    const [from, to] = [invocation.flag('from'), invocation.flag('to')];
    if (from === undefined || to === undefined) {
      throw new Fault('invalid', 'cli.usage', `expected --from ${kinds.join('|')} and --to PATH, got less`);
    }
    const found = await gather(invocation, from);
    try {
      const report = await withVault(invocation, (client) => bringIn(invocation, client, to, found));
      invocation.out.data(report, () =>
        report.secrets.map(({ path, what }) => `${what.padEnd(10)}${path}`).join('\n'),
      );
      const count = (what: string): number => report.secrets.filter((each) => each.what === what).length;
      if (report.dryRun) invocation.out.note('nothing was written');
      else
        invocation.out.note(`${count('written')} written, ${count('kept')} were there already and are kept`);
    } finally {
      wipeFound(found);
    }
    return undefined;
  },
};

async function gather(invocation: Invocation, from: string): Promise<readonly Found[]> {
  const source = invocation.arg(0);
  const namesOnly = invocation.on('dry-run');
  switch (from) {
    case 'dotenv':
      return [single(dotenvJson(readFile(source)))];
    case 'sops':
      return [single(await readSops(invocation, source))];
    case 'export':
      return lastOnly(invocation, readExport(await openExport(invocation, readFile(source, maxExportBytes))));
    case 'vault':
      return await otherVault(invocation, source, namesOnly);
    default:
      throw new Fault(
        'invalid',
        'cli.usage',
        `expected --from to be one of ${kinds.join(', ')}, got '${from}'`,
      );
  }
}

const single = (json: Buffer): Found => ({ path: '', versions: [json], custom: {} });

const lastOnly = ({ on }: Invocation, found: readonly Found[]): readonly Found[] =>
  on('versions') ? found : found.map((each) => ({ ...each, versions: each.versions.slice(-1) }));

function dotenvJson(bytes: Buffer): Buffer {
  const variables = parseDotenv(bytes);
  bytes.fill(0);
  if (variables.size === 0) throw badFile('expected variables in the dotenv file, found none');
  const json = Buffer.from(
    JSON.stringify(Object.fromEntries([...variables].map(([name, value]) => [name, value.exposeUtf8()]))),
  );
  for (const value of variables.values()) value.wipe();
  return json;
}

/** Plain when somebody took the risk, else age with an identity or a passphrase. */
async function openExport(invocation: Invocation, bytes: Buffer): Promise<Buffer> {
  if (bytes[0] === 0x7b) return bytes;
  const file = invocation.flag('identity');
  const keys: AgeKeys =
    file === undefined
      ? { passphrase: await readSecret('passphrase') }
      : { identities: parseIdentities(readFile(file)) };
  return await ageDecrypt(bytes, keys);
}

async function otherVault(
  invocation: Invocation,
  source: string,
  namesOnly: boolean,
): Promise<readonly Found[]> {
  const url = URL.canParse(source) ? new URL(source) : undefined;
  const path = decoded(url?.pathname ?? '').replace(/^\/(v1\/)?|\/$/g, '');
  if (url === undefined || path === '') {
    throw new Fault(
      'invalid',
      'cli.usage',
      `expected an address with a path, https://host:8200/MOUNT, got '${source}'`,
    );
  }
  warnIfOpen(invocation.out, url.origin);
  const [tokenFile, caFile] = [invocation.flag('token-file'), invocation.flag('cacert')];
  const token =
    tokenFile === undefined
      ? await readSecret(`token for ${url.origin}`)
      : SecretBytes.from(readFile(tokenFile));
  const client = createVaultClient({
    address: url.origin,
    login: tokenLogin(token),
    ca: caFile === undefined ? undefined : readFile(caFile).toString('utf8'),
  });
  token.wipe();
  const done = invocation.out.progress(`reading from ${url.origin}`);
  try {
    return await all(client, path, { versions: invocation.on('versions'), namesOnly });
  } finally {
    done();
    await client.close();
  }
}

async function all(
  client: VaultClient,
  path: string,
  options: Parameters<typeof walkSecrets>[2],
): Promise<Found[]> {
  const found: Found[] = [];
  for await (const each of walkSecrets(client, path, options)) found.push(each);
  return found;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // No path: what is said about it fits.
    return '';
  }
}
