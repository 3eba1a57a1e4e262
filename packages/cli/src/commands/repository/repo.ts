import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { NewRepository } from '@sallyport/contract';
import type { Command, Invocation } from '../../command.ts';
import { connect, nameFromPath, projectFlag, projectOf } from '../../connect.ts';
import { readNamed } from '../../input.ts';
import { table } from '../../printer.ts';
import { saveProject } from '../../settings.ts';

export const repoAdd: Command = {
  name: ['repo', 'add'],
  summary: 'add a git repository; pushes to its protected branch start runs from then on',
  args: [{ name: 'SOURCE', doc: 'a path, or an https or ssh address' }],
  flags: {
    ...projectFlag,
    name: { type: 'string', value: 'NAME', doc: 'its name here, default the last part of the source' },
    branch: { type: 'string', value: 'NAME', doc: 'the protected branch, default main' },
    'allowed-signers': {
      type: 'string',
      value: 'FILE',
      doc: 'SSH keys that may sign commits, as ssh-keygen reads them',
    },
    'openpgp-keys': { type: 'string', value: 'FILE', doc: 'armoured OpenPGP keys that may sign commits' },
    'poll-seconds': { type: 'string', value: 'SECONDS', doc: 'how often to look for changes; 0 for never' },
  },
  examples: [
    'sally repo add ./orders --allowed-signers signers.txt',
    'sally repo add https://example.com/team/orders.git',
  ],
  run: async (invocation) => {
    const { arg, flag, out, settings } = invocation;
    const source = existsSync(arg(0)) ? resolve(arg(0)) : arg(0);
    const name = flag('name') ?? nameFromPath(source);
    const project = flag('project') ?? settings.env['SALLYPORT_PROJECT'] ?? name;
    const done = out.progress(`fetching ${source}`);
    const repository = await connect(invocation)
      .repositories.add(project, { name, source, ...options(invocation) })
      .finally(done);
    saveProject(settings, project);
    out.data(repository, () => `added ${name} to project ${project}`);
    if (repository.allowedSigners === '' && repository.openPgpKeys === '') {
      out.note('no signers are known for it, so the gate commit-signed can not pass: see --allowed-signers');
    }
    return undefined;
  },
};

function options({ flag, count }: Invocation): Partial<NewRepository> {
  const [branch, signers, keys] = ['branch', 'allowed-signers', 'openpgp-keys'].map(flag);
  const pollSeconds = count('poll-seconds', 0, 86_400);
  return {
    ...(branch === undefined ? {} : { protectedBranch: branch }),
    ...(signers === undefined ? {} : { allowedSigners: readNamed(signers) }),
    ...(keys === undefined ? {} : { openPgpKeys: readNamed(keys) }),
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  };
}

export const repoList: Command = {
  name: ['repo', 'list'],
  summary: 'list the repositories of a project',
  flags: projectFlag,
  examples: ['sally repo list --project orders'],
  run: async (invocation) => {
    const found = await connect(invocation).repositories.list(projectOf(invocation));
    invocation.out.data(found, () =>
      table(
        ['NAME', 'PROTECTED', 'SOURCE', 'LAST LOOKED AT'],
        found.map((each) => [each.name, each.protectedBranch, each.source, each.polledAt ?? 'never']),
      ),
    );
    return undefined;
  },
};

export const repoPoll: Command = {
  name: ['repo', 'poll'],
  summary: 'look at a repository now instead of at the next interval',
  args: [{ name: 'NAME', doc: 'the repository' }],
  flags: projectFlag,
  examples: ['sally repo poll orders'],
  run: async (invocation) => {
    const done = invocation.out.progress(`fetching ${invocation.arg(0)}`);
    const answer = await connect(invocation)
      .repositories.poll(projectOf(invocation), invocation.arg(0))
      .finally(done);
    invocation.out.data(answer, () => `${answer.started} runs started`);
    return undefined;
  },
};
