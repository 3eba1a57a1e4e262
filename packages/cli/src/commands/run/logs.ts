import type { RunStepView } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf } from '../../connect.ts';
import { describeStep, followRun, stepsNow, type Target } from './follow.ts';
import { createLineCutter } from './lines.ts';
import { runIdOf } from './runs.ts';

export const logs: Command = {
  name: ['logs'],
  summary: 'print what the steps of a run printed, with secrets masked',
  more: ['With --json each line is an object of its own: {"step", "attempt", "text"}.'],
  args: [
    { name: 'RUN', doc: 'the id of a run, or latest', values: ['latest'] },
    { name: 'STEP', optional: true, doc: 'one step, default all in order' },
  ],
  flags: {
    ...projectFlag,
    follow: { type: 'boolean', short: 'f', doc: 'go on until the run has ended, also with steps to come' },
  },
  examples: ['sally logs latest', 'sally logs latest --follow', 'sally logs run_01a1f87fcb7c install'],
  run: async (invocation) => {
    const client = connect(invocation);
    const project = projectOf(invocation);
    const target = { client, project, runId: await runIdOf(client, project, invocation.arg(0)) };
    const wanted = invocation.args[1];
    const print = printerOf(invocation);
    if (invocation.on('follow')) {
      const { run } = await followRun(target, wanted, {
        step: (step) => invocation.out.note(describeStep(step)),
        output: print.output,
      });
      print.end();
      invocation.out.note(`run ${run.id} ${run.state}${run.reason === undefined ? '' : `: ${run.reason}`}`);
      return undefined;
    }
    await printStored(invocation, target, wanted, print.output);
    print.end();
    return undefined;
  },
};

type Output = (step: RunStepView, bytes: Uint8Array) => Promise<void>;

async function printStored(
  { out }: Invocation,
  { client, project, runId }: Target,
  wanted: string | undefined,
  output: Output,
): Promise<void> {
  const steps = stepsNow(await client.runs.get(project, runId));
  const chosen = steps.filter((step) => wanted === undefined || step.name === wanted);
  if (chosen.length === 0) {
    throw new Fault('not_found', 'cli.no_step', `expected a step of ${runId}, got '${wanted ?? 'none'}'`, {
      hint:
        steps.length === 0
          ? 'it has none yet; --follow waits for them'
          : `it has ${steps.map((step) => step.name).join(', ')}`,
    });
  }
  for (const step of chosen) {
    if (step.status === 'pending' || step.status === 'skipped') continue;
    if (wanted === undefined) out.note(`step ${step.name}`);
    const bytes = await client.runs.log(project, runId, step.name, { attempt: step.attempt });
    for await (const chunk of bytes) await output(step, chunk);
  }
}

/** For people the bytes as they are; with --json a line each, so that a reader knows which step it came from. */
function printerOf({ out }: Invocation): { readonly output: Output; end(): void } {
  if (!out.json) return { output: (_step, bytes) => out.bytes(bytes), end: () => undefined };
  const cutter = createLineCutter<RunStepView>((step, text) =>
    out.line({ step: step.name, attempt: step.attempt, text }, () => text),
  );
  return {
    output: async (step, bytes) => cutter.add(step, bytes),
    end: () => cutter.end(),
  };
}
