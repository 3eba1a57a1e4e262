import { join } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf } from '../../connect.ts';
import { runProgram } from '../../programs.ts';
import { awaitRun, describeStep, lastWords, type Target } from './follow.ts';

export const run: Command = {
  name: ['run'],
  summary: 'start a run of a repository, or with --local one of the working directory, here',
  more: [
    'A local run uses the same sandbox and mirror, and has no secret, no identity and no release.',
    'Without --wait the id of the run is printed; with it the digest of the image, once there is one.',
  ],
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

async function runLocally(invocation: Invocation): Promise<number> {
  const { flag, out, settings } = invocation;
  const sandbox = await runProgram(invocation, 'agent', ['ensure-sandbox']);
  if (sandbox !== 0) return sandbox;
  return runProgram(invocation, 'agent', [
    'local',
    '--data',
    join(settings.dataDirectory, 'local'),
    '--directory',
    flag('directory') ?? '.',
    ...(out.json ? ['--json'] : []),
  ]);
}

async function runOnServer(invocation: Invocation): Promise<number> {
  const { flag, out } = invocation;
  const client = connect(invocation);
  const project = projectOf(invocation);
  const repository = invocation.args[0] ?? (await onlyRepository(client, project));
  const [ref, commit] = [flag('ref'), flag('commit')];
  const fetched = out.progress(`fetching ${repository}`);
  const started = await client.runs
    .start(project, {
      repository,
      ...(ref === undefined ? {} : { ref }),
      ...(commit === undefined ? {} : { commit }),
    })
    .finally(fetched);
  if (!invocation.on('wait')) {
    out.data(started, () => started.id);
    out.note(`sally logs ${started.id} --follow shows what its steps print`);
    return 0;
  }
  return waitFor(invocation, { client, project, runId: started.id });
}

async function waitFor({ out, whenInterrupted }: Invocation, target: Target): Promise<number> {
  const { runId } = target;
  whenInterrupted(() =>
    out.note(`run ${runId} goes on: sally logs ${runId} --follow, sally cancel ${runId}`),
  );
  const done = out.progress(`run ${runId}`);
  const ended = await awaitRun(target, (step) => out.note(describeStep(step))).finally(done);
  const { run } = ended;
  out.data(ended, () => run.image ?? '');
  if (run.state === 'succeeded') return 0;
  const last = await lastWords(target, ended);
  if (last !== undefined && last.text !== '') {
    out.note(`the last lines of step ${last.step.name}:`);
    out.quote(`${last.text}\n`);
  }
  out.error(
    new Fault('precondition', 'run.not_succeeded', `run ${runId} ${run.state}: ${run.reason ?? ''}`, {
      hint: `sally logs ${runId} shows what its steps printed`,
    }),
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
