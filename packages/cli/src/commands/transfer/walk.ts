import { Fault, isFault } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';
import type { Found } from './found.ts';

const maxDepth = 32;
const maxSecrets = 100_000;

export interface WalkOptions {
  /** Every version that is there, not the current one alone. */
  readonly versions: boolean;
  /** Names only: nothing is read. */
  readonly namesOnly: boolean;
}

/** All secrets at and below a path, one after the other. What was deleted is passed over. Throws Fault. */
export async function* walkSecrets(
  client: VaultClient,
  root: string,
  options: WalkOptions,
): AsyncGenerator<Found> {
  let count = 0;
  const names = async function* (at: string, below: string, depth: number): AsyncGenerator<string> {
    if (depth > maxDepth) throw beyond(`${maxDepth} levels`);
    for (const name of await client.list(at)) {
      if (name.endsWith('/')) yield* names(`${at}/${name.slice(0, -1)}`, `${below}${name}`, depth + 1);
      else yield below + name;
    }
  };
  const { versioned } = await client.place(root);
  for await (const path of withItself(client, root, names(root, '', 1))) {
    count += 1;
    if (count > maxSecrets) throw beyond(`${maxSecrets} secrets`);
    if (options.namesOnly) {
      yield { path, versions: [], custom: {} };
      continue;
    }
    const found = await readSecret(
      client,
      path === '' ? root : `${root}/${path}`,
      versioned,
      options.versions,
    );
    if (found !== undefined) yield { path, ...found };
  }
}

/** A path can be a secret and have others below it. */
async function* withItself(
  client: VaultClient,
  root: string,
  inside: AsyncGenerator<string>,
): AsyncGenerator<string> {
  const { path, mount } = await client.place(root);
  if (path !== '') {
    const [name = '', ...up] = path.split('/').reverse();
    const siblings = await client.list([mount, ...up.reverse()].join('/'));
    if (siblings.includes(name)) yield '';
  }
  yield* inside;
}

async function readSecret(
  client: VaultClient,
  path: string,
  versioned: boolean,
  all: boolean,
): Promise<Omit<Found, 'path'> | undefined> {
  const facts = versioned && all ? await client.metadata(path) : undefined;
  const wanted =
    facts === undefined
      ? [undefined]
      : facts.versions.filter((each) => !each.destroyed).map(({ version }) => version);
  const versions: Buffer[] = [];
  for (const version of wanted) {
    try {
      const secret = await client.read(path, version === undefined ? {} : { version });
      versions.push(Buffer.from(secret.json.expose()));
      secret.wipe();
    } catch (error) {
      if (!isFault(error) || error.kind !== 'not_found') throw error;
    }
  }
  return versions.length === 0 ? undefined : { versions, custom: facts?.custom ?? {} };
}

function beyond(what: string): Fault {
  return new Fault('exhausted', 'cli.too_many', `expected at most ${what}, found more`, {
    hint: 'take a part of it: name a path below the mount',
  });
}
