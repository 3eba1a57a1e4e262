import type { RunDetail, RunStepView } from '@sallyport/contract';
import { Fault, fromUtf8, utf8 } from '@sallyport/formats';
import { type Client, createClient, type LogOptions } from '@sallyport/sdk';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { awaitRun, followRun, lastWords, type Target } from './follow.ts';

const step = (name: string, status: string, more: Partial<RunStepView> = {}): RunStepView => ({
  attempt: 1,
  name,
  phase: 'build',
  status,
  ...more,
});

/** A server whose run goes on by one state each time somebody looks, and stays in the last one. */
function story(
  states: ReadonlyArray<{ state: string; attempt?: number; steps: readonly RunStepView[] }>,
  log: (name: string, options: LogOptions) => AsyncIterable<Uint8Array>,
): Target {
  const client = createClient({ address: 'http://127.0.0.1:1' });
  let looked = -1;
  const runs: Client['runs'] = {
    ...client.runs,
    get: async () => {
      looked = Math.min(looked + 1, states.length - 1);
      const { state = '', attempt = 1, steps = [] } = states[looked] ?? {};
      return { run: { id: 'run_1', state, attempt }, steps } as unknown as RunDetail; // the parts that are read
    },
    log: async (_project, _run, name, options = {}) => log(name, options),
  };
  return { client: { ...client, runs }, project: 'tiny', runId: 'run_1' };
}

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text);
}

let seen: string[];
const follower = {
  step: (each: RunStepView) => void seen.push(`[${each.attempt} ${each.name} ${each.status}]`),
  output: async (_step: RunStepView, chunk: Uint8Array) => void seen.push(fromUtf8(chunk)),
};
beforeEach(() => {
  seen = [];
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 });
  return () => vi.useRealTimers();
});

describe('following a run', () => {
  it('that waits in the queue prints each step when it begins, in order', async () => {
    const target = story(
      [
        { state: 'queued', attempt: 0, steps: [] },
        { state: 'building', steps: [step('install', 'pending'), step('unit', 'pending')] },
        { state: 'building', steps: [step('install', 'granted'), step('unit', 'pending')] },
        { state: 'building', steps: [step('install', 'succeeded'), step('unit', 'pending')] },
        { state: 'building', steps: [step('install', 'succeeded'), step('unit', 'granted')] },
        { state: 'succeeded', steps: [step('install', 'succeeded'), step('unit', 'succeeded')] },
      ],
      (name) => bytes(`${name} says\n`),
    );

    const { run } = await followRun(target, undefined, follower);

    expect(run.state).toBe('succeeded');
    expect(seen).toEqual([
      '[1 install granted]',
      'install says\n',
      '[1 install succeeded]',
      '[1 unit granted]',
      'unit says\n',
      '[1 unit succeeded]',
    ]);
  });

  it('begins anew when the run is attempted again', async () => {
    const target = story(
      [
        { state: 'building', steps: [step('install', 'granted')] },
        {
          state: 'building',
          attempt: 2,
          steps: [step('install', 'lost'), step('install', 'granted', { attempt: 2 })],
        },
        {
          state: 'succeeded',
          attempt: 2,
          steps: [step('install', 'lost'), step('install', 'succeeded', { attempt: 2 })],
        },
      ],
      (_name, { attempt }) => bytes(`attempt ${attempt}\n`),
    );

    await followRun(target, undefined, follower);

    expect(seen).toEqual([
      '[1 install granted]',
      'attempt 1\n',
      '[1 install lost]',
      '[2 install succeeded]',
      'attempt 2\n',
    ]);
  });

  it('goes on at the byte where the connection broke', async () => {
    const offsets: (number | undefined)[] = [];
    const target = story(
      [{ state: 'succeeded', steps: [step('install', 'succeeded')] }],
      (_name, options) => {
        offsets.push(options.offset);
        return (async function* () {
          if (offsets.length > 1) {
            yield utf8(' world');
            return;
          }
          yield utf8('hello');
          throw new TypeError('terminated');
        })();
      },
    );

    await followRun(target, undefined, follower);

    expect(offsets).toEqual([0, 5]);
    expect(seen.join('')).toBe('[1 install succeeded]hello world');
  });

  it('does not repeat what the server refuses for good', async () => {
    const target = story([{ state: 'succeeded', steps: [step('install', 'succeeded')] }], () => {
      throw new Fault('denied', 'identity.denied', 'not allowed');
    });

    await expect(followRun(target, undefined, follower)).rejects.toThrow('not allowed');
  });

  it('of one step passes over the others, and knows which there are', async () => {
    const target = story(
      [{ state: 'succeeded', steps: [step('install', 'succeeded'), step('unit', 'succeeded')] }],
      (name) => bytes(name),
    );

    await followRun(target, 'unit', follower);

    expect(seen).toEqual(['[1 unit succeeded]', 'unit']);
    await expect(followRun(target, 'tests', follower)).rejects.toThrow(
      expect.objectContaining({ code: 'cli.no_step', hint: 'it has install, unit' }),
    );
  });
});

describe('waiting for a run', () => {
  it('tells each change of a step once', async () => {
    const target = story(
      [
        { state: 'building', steps: [step('install', 'pending')] },
        { state: 'building', steps: [step('install', 'granted')] },
        { state: 'building', steps: [step('install', 'granted')] },
        { state: 'failed', steps: [step('install', 'failed')] },
      ],
      () => bytes(),
    );

    await awaitRun(target, follower.step);

    expect(seen).toEqual(['[1 install granted]', '[1 install failed]']);
  });
});

describe('the last words of a run', () => {
  it('are the last lines of the step that failed, and no more than was asked for', async () => {
    const all = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
    const steps = [step('install', 'succeeded'), step('unit', 'failed', { logBytes: 100_000 })];
    const offsets: (number | undefined)[] = [];
    const target = story([{ state: 'failed', steps }], (_name, options) => {
      offsets.push(options.offset);
      return bytes(all);
    });

    const last = await lastWords(target, await target.client.runs.get('tiny', 'run_1'));

    expect(last?.step.name).toBe('unit');
    expect(last?.text.split('\n')).toHaveLength(20);
    expect(last?.text.endsWith('line 99')).toBe(true);
    expect(offsets).toEqual([100_000 - 65_536]);
  });

  it('are none when no step failed', async () => {
    const target = story([{ state: 'failed', steps: [step('install', 'succeeded')] }], () => bytes());

    expect(await lastWords(target, await target.client.runs.get('tiny', 'run_1'))).toBeUndefined();
  });
});
