import { Fault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf, short } from '../../connect.ts';
import { table } from '../../printer.ts';

export const runs: Command = {
  name: ['runs'],
  summary: 'list runs, newest first, or show one with its steps',
  args: [{ name: 'RUN', optional: true, doc: 'the id of a run, or latest', values: ['latest'] }],
  flags: {
    ...projectFlag,
    limit: { type: 'string', short: 'n', value: 'COUNT', doc: 'how many, at most 200, default 20' },
  },
  examples: ['sally runs', 'sally runs latest', 'sally runs --json | jq .'],
  run: async (invocation) => {
    const client = connect(invocation);
    const project = projectOf(invocation);
    const limit = invocation.count('limit', 1, 200) ?? 20;
    const [wanted] = invocation.args;
    if (wanted !== undefined) {
      return showOne(invocation, client, project, await runIdOf(client, project, wanted));
    }
    const found = await client.runs.list(project, limit);
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

export const cancel: Command = {
  name: ['cancel'],
  summary: 'cancel a run that goes on',
  args: [{ name: 'RUN', doc: 'the id of a run, or latest', values: ['latest'] }],
  flags: {
    ...projectFlag,
    reason: { type: 'string', short: 'm', value: 'TEXT', doc: 'why, for the record' },
  },
  examples: ['sally cancel latest --reason "wrong branch"'],
  run: async (invocation) => {
    const client = connect(invocation);
    const project = projectOf(invocation);
    const runId = await runIdOf(client, project, invocation.arg(0));
    const run = await client.runs.cancel(project, runId, invocation.flag('reason') ?? 'no reason given');
    invocation.out.data(run, () => `${run.id} ${run.state}`);
    return undefined;
  },
};

/** A run by its id, or the newest one. */
export async function runIdOf(client: Client, project: string, text: string): Promise<string> {
  if (text !== 'latest') return text;
  const [run] = await client.runs.list(project, 1);
  if (run !== undefined) return run.id;
  throw new Fault('not_found', 'cli.no_run', `expected a run of ${project}, found none`, {
    hint: 'sally run starts one',
  });
}
