import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

export const personAdd: Command = {
  name: ['person', 'add'],
  summary: 'add a person and print a token for them, once',
  args: [{ name: 'NAME', doc: 'the name of the person' }],
  flags: {
    email: { type: 'string', many: true, value: 'ADDRESS', doc: 'an address the person commits with' },
    group: { type: 'string', many: true, value: 'NAME', doc: 'a group, such as release' },
    policy: { type: 'string', many: true, value: 'NAME', doc: 'a policy that says what the person may do' },
    days: { type: 'string', value: 'DAYS', doc: 'how long the token lives, default 30' },
  },
  examples: ['sally person add Riley --email riley@example.com --group release --policy approver'],
  run: async (invocation) => {
    const { out, flags, arg, count } = invocation;
    const ttlSeconds = (count('days', 1, 366) ?? 30) * 86_400;
    const { identity } = connect(invocation);
    const person = await identity.addPerson({
      name: arg(0),
      emails: flags('email'),
      groups: flags('group'),
      policies: flags('policy'),
    });
    const issued = await identity.createToken(person.id, {
      ttlSeconds,
      description: 'given by sally person add',
    });
    out.data({ id: person.id, name: person.name, ...issued }, () => issued.token);
    out.note(`the token of ${person.name} is valid until ${issued.expiresAt} and is not shown again`);
    return undefined;
  },
};

export const personList: Command = {
  name: ['person', 'list'],
  summary: 'list people, and with --all the workloads and agents too',
  flags: { all: { type: 'boolean', doc: 'workloads and agents too' } },
  examples: ['sally person list', 'sally person list --all --json'],
  run: async (invocation) => {
    const all = await connect(invocation).identity.principals();
    const found = all.filter((each) => invocation.on('all') || each.kind === 'person');
    invocation.out.data(found, () =>
      table(
        ['NAME', 'KIND', 'ID', 'EMAIL', 'GROUPS', 'POLICIES', 'STATE'],
        found.map((each) => [
          each.name,
          each.kind,
          each.id,
          each.emails.join(',') || '-',
          each.groups.join(',') || '-',
          each.policies.join(',') || '-',
          each.disabled ? 'disabled' : 'active',
        ]),
      ),
    );
    return undefined;
  },
};
