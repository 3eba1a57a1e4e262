import { setTimeout as sleep } from 'node:timers/promises';
import { isFault } from '@sallyport/formats';
import { healthy, project, type Scene, until } from './scene.ts';

/** A call that people repeat until it is answered: their server was away for a moment. */
export async function insist<T>(call: () => Promise<T>, withinMs = 60_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable' || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/**
 * Takes a commit from its push to production as people would whose server may go away at any moment: a poll finds the
 * push, Ada asks for production, Riley approves. Gives the digest.
 */
export async function driveToProduction(
  scene: Pick<Scene, 'ada' | 'riley'>,
  commit: string,
  withinMs = 120_000,
): Promise<string> {
  const { ada, riley } = scene;
  const prod = { project, environment: 'prod' };
  const run = await until(
    `the run of ${commit} to end`,
    async () => {
      const found = (await ada.runs.list(project, 50)).find((each) => each.commit === commit);
      return found !== undefined && ['succeeded', 'failed', 'cancelled'].includes(found.state)
        ? found
        : undefined;
    },
    { withinMs },
  );
  if (run.image === undefined || run.state !== 'succeeded') {
    throw new Error(`the run ended ${run.state}: ${run.reason ?? ''}`);
  }
  const digest = run.image;
  await healthy(ada, 'dev', digest, withinMs);
  await healthy(ada, 'stage', digest, withinMs);
  await insist(async () => {
    // Asked for once: an answer that was lost does not ask again.
    const all = await ada.releases.promotions(project);
    const known = all.find((each) => each.environment === 'prod' && each.digest === digest);
    return known ?? (await ada.releases.promote(prod, digest));
  });
  await insist(() => riley.releases.approve(prod, digest));
  await healthy(ada, 'prod', digest, withinMs);
  await until(
    `everything about ${digest} to be concluded`,
    async () => {
      const evidence = await ada.evidence.list(digest);
      return evidence.filter(({ predicateType }) => predicateType.includes('/deployment/')).length >= 3
        ? true
        : undefined;
    },
    { withinMs },
  );
  return digest;
}
