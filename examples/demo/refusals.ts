import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { healthy, type Released, statusOf } from './journey.ts';
import type { World } from './set-up.ts';
import { pushUnknownImage } from './stranger.ts';

/** What must not pass, each tried for real. */
export async function showRefusals(world: World, released: Released, data: string): Promise<void> {
  await tamperedDependency(world);
  await artifactNobodyBuilt(world, released);
  await unapprovedPromotion(world);
  await flippedByte(world, released, data);
}

async function tamperedDependency({ screen, people, repository }: World): Promise<void> {
  screen.heading('Refusal 1: a dependency that is not the one in the lock file');
  const file = join(repository.directory, 'package-lock.json');
  const lock = readFileSync(file, 'utf8');
  // The upstream serves the true bytes; the lock file now promises others, as it would for a swapped package.
  const swapped = lock.replace(
    /("node_modules\/fastify": \{[^}]*"integrity": "sha512-)(.)/,
    (_all, head: string, first: string) => {
      return `${head}${first === 'A' ? 'B' : 'A'}`;
    },
  );
  if (swapped === lock) throw new Error('the lock file could not be changed');
  repository.write('package-lock.json', swapped);
  repository.commit('Bump a dependency');
  const answer = await people.ada.attempt(['run', 'orders', '--wait']);
  if (answer.code === 0 || !answer.stderr.includes('integrity'))
    throw new Error('the tampered dependency was let in');
  screen.proven('a package whose bytes differ from the lock file never reaches the build');
  repository.write('package-lock.json', lock);
  repository.commit('Go back to the true dependency');
}

async function artifactNobodyBuilt(world: World, released: Released): Promise<void> {
  const { screen, people, watch } = world;
  screen.heading('Refusal 2: an artifact that no run built');
  const digest = await pushUnknownImage(watch.transport, 'orders/orders', released.digest);
  screen.say(`pushed ${digest} to the registry, by hand`);
  const answer = await people.ada.attempt(['promote', digest, 'prod', '--wait']);
  if (answer.code !== 5) throw new Error(`the promotion was not refused: ${answer.code}`);
  await people.ada.attempt(['why', digest, 'prod']);
  screen.proven('an image without provenance from a run of ours is refused');
}

async function unapprovedPromotion(world: World): Promise<void> {
  const { screen, people, repository, watch } = world;
  screen.heading('Refusal 3: production without a second person');
  repository.write('NOTES.md', 'A change that only its author has seen.\n');
  repository.commit('Add notes');
  await people.ada.run(['run', 'orders', '--wait']);
  const [run] = await watch.runs.list('orders', 1);
  const digest = run?.image ?? '';
  await healthy(world, 'stage', digest);
  await people.ada.attempt(['promote', digest, 'prod', '--wait']);
  await people.ada.attempt(['approve', digest, 'prod', '--reason', 'looks good to me']);
  await new Promise((resolve) => setTimeout(resolve, 4000));
  const why = await people.ada.attempt(['why', digest, 'prod']);
  const prod = await statusOf(world, 'prod');
  if (prod?.running === digest || !why.stdout.includes('refuse'))
    throw new Error('the author approved alone');
  screen.proven('the author cannot approve their own change; production still runs the old digest');
}

async function flippedByte(world: World, { digest }: Released, data: string): Promise<void> {
  const { screen, people } = world;
  screen.heading('Refusal 4: one byte changed in what runs in production');
  const release = join(
    data,
    'agent',
    'deploy',
    'releases',
    'orders.prod.orders',
    digest.replace('sha256:', ''),
  );
  const file = findFile(release, 'server.js');
  screen.say(`changing one byte of ${file.slice(release.length + 1)} in the running release`);
  const bytes = readFileSync(file);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
  const seen = await driftOf(world);
  screen.say(`seen: ${seen}`);
  await healthy(world, 'prod', digest);
  if (readFileSync(findFile(release, 'server.js'))[0] === bytes[0])
    throw new Error('the byte was not healed');
  await people.ada.run(['status']);
  screen.proven('drift in a running release is seen within seconds and healed from the registry');
}

async function driftOf(world: World): Promise<string> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const found = (await statusOf(world, 'prod'))?.drift.find((drift) => drift.kind.startsWith('file-'));
    if (found !== undefined)
      return `${found.kind} ${found.path ?? ''}, ${found.corrected ? 'corrected' : 'reported'}`;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('the drift was not seen within a minute');
}

function findFile(directory: string, name: string): string {
  for (const entry of readdirSync(directory)) {
    const path = join(directory, entry);
    if (entry === 'node_modules') continue;
    if (entry === name) return path;
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) continue;
    try {
      return findFile(path, name);
    } catch {
      // Not below this one.
    }
  }
  throw new Error(`no ${name} in ${directory}`);
}
