import { join } from 'node:path';
import type { RunDetail } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf } from '../../connect.ts';
import { runProgram } from '../../programs.ts';

export const run: Command = {
  name: ['run'],
  summary:
    'start a run of a repository; with --local build the working directory here, in the same sandbox, with no secrets',
  args: [{ name: 'REPOSITORY', optional: true, doc: 'default the only repository of the project' }],
  flags: {
    ...projectFlag,
    ref: { type: 'string', value: 'REF', doc: 'branch or tag, default the protected branch' },
    commit: { type: 'string', value: 'COMMIT', doc: 'a commit of that ref, default its tip' },
    wait: { type: 'boolean', short: 'w', doc: 'wait until the run has ended, showing its steps' },
    local: { type: 'boolean', doc: 'run the steps of sallyport.yaml here, without a server' },
    directory: {
      type: 'string',
      value: 'DIR',
      doc: 'with --local: the project, default the current directory',
    },
  },
  examples: ['sally run orders --wait', 'sally run --ref v1.2.0', 'sally run --local'],
  run: async (invocation) => (invocation.on('local') ? runLocally(invocation) : runOnServer(invocation)),
};

function runLocally({ flag, out, settings }: Invocation): number {
  const data = join(settings.dataDirectory, 'local');
  const sandbox = runProgram('agent', ['ensure-sandbox']);
  if (sandbox !== 0) return sandbox;
  const directory = ['--directory', flag('directory') ?? '.'];
  return runProgram('agent', ['local', '--data', data, ...directory, ...(out.json ? ['--json'] : [])]);
}

async function runOnServer(invocation: Invocation): Promise<number> {
  const { flag, out } = invocation;
  const client = connect(invocation);
  const project = projectOf(invocation);
  const repository = invocation.args[0] ?? (await onlyRepository(client, project));
  const [ref, commit] = [flag('ref'), flag('commit')];
  const started = await client.runs.start(project, {
    repository,
    ...(ref === undefined ? {} : { ref }),
    ...(commit === undefined ? {} : { commit }),
  });
  if (!invocation.on('wait')) {
    out.data(started, () => started.id);
    out.note(`sally logs ${started.id} --follow shows what its steps print`);
    return 0;
  }
  const ended = await waitFor(invocation, client, project, started.id);
  out.data(ended, () => ended.run.image ?? '');
  if (ended.run.state === 'succeeded') return 0;
  out.error(
    new Fault(
      'precondition',
      'run.not_succeeded',
      `run ${started.id} ${ended.run.state}: ${ended.run.reason ?? ''}`,
      {
        hint: `sally logs ${started.id} shows what its steps printed`,
      },
    ),
  );
  return 1;
}

async function onlyRepository(client: Client, project: string): Promise<string> {
  const [only, second] = await client.repositories.list(project);
  if (only !== undefined && second === undefined) return only.name;
  throw new Fault('invalid', 'cli.repository', `expected the name of a repository of ${project}`, {
    hint: 'sally repo list shows them',
  });
}

const ended = new Set(['succeeded', 'failed', 'cancelled']);

async function waitFor(
  invocation: Invocation,
  client: Client,
  project: string,
  runId: string,
): Promise<RunDetail> {
  const told = new Set<string>();
  for (;;) {
    const detail = await client.runs.get(project, runId);
    for (const step of detail.steps) {
      const line = `step ${step.name} ${step.status}`;
      if (step.status !== 'pending' && !told.has(`${step.attempt} ${line}`)) invocation.out.note(line);
      told.add(`${step.attempt} ${line}`);
    }
    if (ended.has(detail.run.state)) return detail;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
