import type { Actor, Audit, Tx } from '#platform';
import { type Run, runResource, runState } from './run.ts';
import type { RunStore } from './store.ts';

/** Writes a prepared run and its event. From here on it is found and finished, whatever happens to this process. */
export async function recordStart(
  { audit, store }: { readonly audit: Audit; readonly store: RunStore },
  tx: Tx,
  run: Run,
  actor: Pick<Actor, 'kind' | 'id'>,
): Promise<void> {
  await store.insert(tx, run);
  await audit.record(tx, {
    type: `pipeline.run.${run.state}`,
    actor: { kind: actor.kind, id: actor.id },
    resource: runResource(run),
    state: runState(run),
    detail: { trigger: run.trigger },
  });
}
