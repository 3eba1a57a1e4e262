import { Fault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf, short } from '../../connect.ts';
import { table } from '../../printer.ts';

export const runs: Command = {
  name: ['runs'],
  summary: 'list runs, newest first, or show one with its steps',
  args: [{ name: 'RUN', optional: true, doc: 'the id of a run' }],
  flags: {
    ...projectFlag,
    limit: { type: 'string', short: 'n', value: 'COUNT', doc: 'how many, default 20' },
  },
  examples: ['sally runs', 'sally runs run_0199…', 'sally runs --json | jq .'],
  run: async (invocation) => {
    const client = connect(invocation);
    const project = projectOf(invocation);
    const [runId] = invocation.args;
    if (runId !== undefined) return showOne(invocation, client, project, runId);
    const found = await client.runs.list(project, Number(invocation.flag('limit') ?? '20'));
    invocation.out.data(found, () =>
      table(
        ['RUN', 'STATE', 'COMMIT', 'REF', 'TRUST', 'SIGNED', 'IMAGE', 'STARTED'],
        found.map((run) => [
          run.id,
          run.state,
          run.commit.slice(0, 10),
          run.ref.replace('refs/heads/', ''),
          run.trust,
          run.signature.status,
          short(run.image),
          run.createdAt.slice(0, 19),
        ]),
      ),
    );
    return undefined;
  },
};

async function showOne(
  { out }: Invocation,
  client: Client,
  project: string,
  runId: string,
): Promise<undefined> {
  const detail = await client.runs.get(project, runId);
  const { run, steps } = detail;
  out.data(detail, () =>
    [
      `run      ${run.id}, attempt ${run.attempt}`,
      `state    ${run.state}${run.reason === undefined ? '' : `: ${run.reason}`}`,
      `commit   ${run.commit} of ${run.ref}, ${run.trust}, signature ${run.signature.status}`,
      `image    ${run.image ?? '-'}`,
      '',
      table(
        ['STEP', 'PHASE', 'STATUS', 'REASON'],
        steps.map((step) => [step.name, step.phase, step.status, step.reason ?? '']),
      ),
    ].join('\n'),
  );
  return undefined;
}

export const logs: Command = {
  name: ['logs'],
  summary: 'print what the steps of a run printed, with secrets masked',
  args: [
    { name: 'RUN', doc: 'the id of a run, or latest' },
    { name: 'STEP', optional: true, doc: 'one step, default all in order' },
  ],
  flags: { ...projectFlag, follow: { type: 'boolean', short: 'f', doc: 'go on until the run has ended' } },
  examples: ['sally logs latest', 'sally logs run_0199… install --follow'],
  run: async (invocation) => {
    const client = connect(invocation);
    const project = projectOf(invocation);
    const runId = invocation.arg(0) === 'latest' ? await latest(client, project) : invocation.arg(0);
    const wanted = invocation.args[1];
    const { steps } = await client.runs.get(project, runId);
    const last = Math.max(...steps.map((step) => step.attempt));
    for (const step of steps.filter((each) => each.attempt === last)) {
      if (wanted !== undefined && step.name !== wanted) continue;
      if (wanted === undefined) invocation.out.note(`step ${step.name}`);
      for await (const chunk of await client.runs.log(project, runId, step.name, {
        follow: invocation.on('follow'),
      })) {
        invocation.out.bytes(chunk);
      }
    }
    return undefined;
  },
};

async function latest(client: Client, project: string): Promise<string> {
  const [run] = await client.runs.list(project, 1);
  if (run !== undefined) return run.id;
  throw new Fault('not_found', 'cli.no_run', `expected a run of ${project}, found none`, {
    hint: 'sally run starts one',
  });
}
