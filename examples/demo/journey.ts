import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnvironmentStatusView } from '@sallyport/contract';
import type { World } from './set-up.ts';

export interface Released {
  readonly digest: string;
  readonly runId: string;
}

/** Commit to production: what works when everything is as it should be. */
export async function journey(world: World): Promise<Released> {
  const { screen, people } = world;
  const { ada, riley } = people;
  screen.heading('3. A run: sandboxed build, every download checked, evidence signed and logged');
  await ada.run(['run', 'orders', '--wait']);
  const [run] = await world.watch.runs.list('orders', 1);
  const digest = run?.image;
  if (run === undefined || digest === undefined) throw new Error('the run built no image');
  await ada.run(['runs', run.id]);
  if (run.signature.status !== 'valid') throw new Error('the signature of the commit was not found valid');
  screen.proven('the commit is signed by somebody the repository allows');
  screen.proven(`a sandboxed run built ${digest}`);

  screen.heading('4. The gates open dev, then stage, by themselves');
  await healthy(world, 'dev', digest);
  await healthy(world, 'stage', digest);
  await ada.run(['status']);
  screen.proven('the same digest runs in dev and stage, let in by evidence alone');

  screen.heading('5. Production wants a second person');
  const asked = await ada.attempt(['promote', digest, 'prod', '--wait']);
  if (!asked.stdout.includes('waiting')) throw new Error('production did not wait for an approval');
  await ada.attempt(['why', digest, 'prod']);
  await riley.run(['approve', digest, 'prod', '--reason', 'read the change']);
  await healthy(world, 'prod', digest);
  await ada.run(['status']);
  screen.proven('production opened only after a second person agreed');

  await callProduction(world);
  await verifyOffline(world, digest);
  return { digest, runId: run.id };
}

/** Waits until the digest runs; through the SDK, because a command a second would be most of the demo's work. */
export async function healthy(world: World, environment: string, digest: string): Promise<void> {
  const deadline = Date.now() + 180_000;
  let last = '';
  while (Date.now() < deadline) {
    const one = await statusOf(world, environment);
    if (one?.running === digest && one.sync === 'Synced' && one.health === 'Healthy') return;
    last = JSON.stringify(one);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${environment} did not become healthy: ${last}`);
}

export async function statusOf(
  world: World,
  environment: string,
): Promise<EnvironmentStatusView | undefined> {
  const all = await world.watch.releases.status('orders');
  return all.find((each) => each.environment === environment);
}

async function callProduction(world: World): Promise<void> {
  const { screen } = world;
  const address = (await statusOf(world, 'prod'))?.address;
  screen.say(`\n$ curl -d '{"item":"tea","quantity":2}' http://${address}/orders`);
  const answer = await fetch(`http://${address}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ item: 'tea', quantity: 2 }),
  });
  const text = await answer.text();
  screen.answer(text);
  if (!answer.ok) throw new Error(`production answered ${answer.status}`);
  screen.proven('production answers, with a receipt signed by a secret that only it has');
}

/** The export and a pinned trust root are all that an auditor needs. */
async function verifyOffline({ screen, people, home }: World, digest: string): Promise<void> {
  const { ada } = people;
  await ada.run(['evidence', 'export', digest, join(home, 'release')]);
  const trustRoot = join(home, 'trust-root.json');
  screen.say('\n$ sally trust-root > trust-root.json');
  writeFileSync(trustRoot, await ada.text(['trust-root']));
  await ada.run(['verify', join(home, 'release'), '--trust-root', trustRoot, '--environment', 'prod']);
  screen.proven('the evidence verifies offline, with nothing but the trust root');
}
