import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@sallyport/sdk';
import { createRepository, type Repository } from './repository.ts';
import type { Sally } from './sally.ts';
import { createSshKey } from './ssh-key.ts';
import type { Screen } from './terminal.ts';

const orders = fileURLToPath(new URL('../orders/', import.meta.url));

export interface World {
  readonly screen: Screen;
  /** Ada writes and ships, and is administrator. Riley may only look and approve. */
  readonly people: { readonly ada: Sally; readonly riley: Sally };
  readonly repository: Repository;
  readonly address: string;
  readonly home: string;
  /** With Ada's token: for waiting, and for what no command does. */
  readonly watch: Client;
}

/** Two people, a repository with a signed commit, and a secret of its own for each environment. */
export async function setUp(options: {
  readonly screen: Screen;
  readonly people: World['people'];
  readonly home: string;
  readonly address: string;
  readonly bootstrapToken: string;
}): Promise<World> {
  const { screen, people, home, address } = options;
  const { ada, riley } = people;
  await ada.run(['login', '--name', 'Ada', '--email', 'ada@example.com'], options.bootstrapToken);
  const rules = '[{"path":"projects/*","capabilities":["read","list","approve"],"effect":"allow"}]';
  await ada.run(['policy', 'put', 'approver', '-'], rules);
  const riley$ = await ada.read<{ token: string }>([
    'person',
    'add',
    'Riley',
    '--email',
    'riley@example.com',
    '--group',
    'release',
    '--policy',
    'approver',
  ]);
  await riley.run(['login'], riley$.token);

  screen.heading('2. A repository whose commits are signed, and secrets that no environment shares');
  const key = createSshKey();
  const signers = join(home, 'allowed-signers');
  writeFileSync(signers, `ada@example.com namespaces="git" ${key.publicLine}\n`);
  const repository = createRepository(join(home, 'orders'), orders, {
    name: 'Ada',
    email: 'ada@example.com',
    key,
  });
  repository.commit('Take orders and give signed receipts');
  await ada.run(['repo', 'add', repository.directory, '--allowed-signers', signers, '--poll-seconds', '0']);
  for (const environment of ['dev', 'stage', 'prod']) {
    const secret = ['secret', 'put', 'orders/receipts#signing_key', '--env', environment];
    await ada.run(secret, randomBytes(32).toString('hex'));
  }
  const watch = createClient({ address, token: savedToken(join(home, 'ada.json'), address) });
  return { screen, people, repository, address, home, watch };
}

/** What `sally login` left in the credentials file. */
function savedToken(file: string, address: string): string {
  const saved: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const tokens = typeof saved === 'object' && saved !== null && 'tokens' in saved ? saved.tokens : {};
  const token: unknown = Object.entries(tokens ?? {}).find(([key]) => key === address)?.[1];
  if (typeof token !== 'string') throw new Error('Ada is not signed in');
  return token;
}
