import { setTimeout as sleep } from 'node:timers/promises';
import type { RunDetail, RunStepView } from '@sallyport/contract';
import { Fault, isFault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';

const ended = new Set(['succeeded', 'failed', 'cancelled']);
const unsuccessful = new Set(['failed', 'timed_out', 'limit_exceeded', 'refused', 'lost']);
const pauseMs = 300;
/** A server that restarts is back within this time; then following goes on where it stopped. */
const patienceMs = 30_000;
const tailBytes = 64 * 1024;
const tailLines = 20;

export interface Target {
  readonly client: Client;
  readonly project: string;
  readonly runId: string;
}

export interface Follower {
  /** A step began, or came to its end. */
  step(step: RunStepView): void;
  output(step: RunStepView, bytes: Uint8Array): Promise<void>;
}

export const isEnded = ({ run }: RunDetail): boolean => ended.has(run.state);

/** The steps of the newest attempt, in their order. */
export const stepsNow = ({ run, steps }: RunDetail): readonly RunStepView[] =>
  steps.filter((step) => step.attempt === Math.max(run.attempt, 1));

/** `install began`, `unit failed: exit code 1` */
export const describeStep = ({ name, status, reason }: RunStepView): string =>
  `step ${name} ${status === 'granted' ? 'began' : status}${reason === undefined ? '' : `: ${reason}`}`;

/** Polls a run until it has ended and tells every change of a step once. */
export async function awaitRun(target: Target, onStep: (step: RunStepView) => void): Promise<RunDetail> {
  const told = new Set<string>();
  for (;;) {
    const detail = await get(target);
    for (const step of detail.steps) {
      const change = `${step.attempt} ${step.name} ${step.status}`;
      if (step.status !== 'pending' && !told.has(change)) onStep(step);
      told.add(change);
    }
    if (isEnded(detail)) return detail;
    await sleep(pauseMs);
  }
}

/**
 * Prints each step as soon as it begins, also one that has not begun yet, until the run has ended. Steps run one
 * after the other; a run that is attempted again begins anew.
 */
export async function followRun(
  target: Target,
  only: string | undefined,
  follower: Follower,
): Promise<RunDetail> {
  const seen = new Set<string>();
  for (;;) {
    const detail = await get(target);
    const steps = stepsNow(detail);
    requireStep(detail, steps, only);
    const next = steps.find(
      (step) =>
        (only === undefined || step.name === only) &&
        step.status !== 'pending' &&
        step.status !== 'skipped' &&
        !seen.has(keyOf(step)),
    );
    if (next !== undefined) {
      seen.add(keyOf(next));
      follower.step(next);
      await copyLog(target, next, follower);
      const after = (await get(target)).steps.find((step) => keyOf(step) === keyOf(next));
      if (after !== undefined && after.status !== next.status) follower.step(after);
    } else if (isEnded(detail)) {
      return detail;
    } else {
      await sleep(pauseMs);
    }
  }
}

const keyOf = ({ attempt, name }: RunStepView): string => `${attempt} ${name}`;

function requireStep(detail: RunDetail, steps: readonly RunStepView[], only: string | undefined): void {
  // A run that waits in the queue has no steps yet.
  if (only === undefined || (steps.length === 0 && !isEnded(detail))) return;
  if (steps.some((step) => step.name === only)) return;
  const names = steps.map((step) => step.name).join(', ');
  throw new Fault('not_found', 'cli.no_step', `expected a step of ${detail.run.id}, got '${only}'`, {
    hint: names === '' ? 'the run ended before its steps were known' : `it has ${names}`,
  });
}

/** One step to its end. A connection that breaks is made again, from the byte where it stopped. */
async function copyLog(
  { client, project, runId }: Target,
  step: RunStepView,
  follower: Follower,
): Promise<void> {
  let offset = 0;
  await patiently(async () => {
    const options = { follow: true, attempt: step.attempt, offset };
    for await (const chunk of await client.runs.log(project, runId, step.name, options)) {
      offset += chunk.length;
      await follower.output(step, chunk);
    }
  });
}

const get = ({ client, project, runId }: Target): Promise<RunDetail> =>
  patiently(() => client.runs.get(project, runId));

async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const retry = isFault(error) ? error.kind === 'unavailable' : error instanceof TypeError;
      if (!retry || Date.now() > deadline) throw error;
      await sleep(1000);
    }
  }
}

/** The step that ended the run, with the last lines it printed. */
export async function lastWords(
  { client, project, runId }: Target,
  detail: RunDetail,
): Promise<{ readonly step: RunStepView; readonly text: string } | undefined> {
  const step = stepsNow(detail).findLast((each) => unsuccessful.has(each.status));
  if (step === undefined) return undefined;
  const options = { attempt: step.attempt, offset: Math.max(0, (step.logBytes ?? 0) - tailBytes) };
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of await client.runs.log(project, runId, step.name, options)) {
    text = (text + decoder.decode(chunk, { stream: true })).slice(-tailBytes);
  }
  return { step, text: text.trimEnd().split('\n').slice(-tailLines).join('\n') };
}
