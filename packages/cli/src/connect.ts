import { basename } from 'node:path';
import { Fault } from '@sallyport/formats';
import { type Client, createClient, type Place } from '@sallyport/sdk';
import type { Flag, Invocation } from './command.ts';
import type { Printer } from './printer.ts';

/** A client for the server and token that the settings name. */
export function connect(invocation: Invocation): Client {
  const { address, token } = invocation.settings;
  if (token !== undefined) return open(invocation, token);
  throw new Fault('unauthenticated', 'cli.no_token', `expected a token for ${address}, found none`, {
    hint: 'sally login signs in; SALLYPORT_TOKEN gives a token for one command',
  });
}

/** A client with that token, or with none: for signing in, and for what the server tells everybody. */
export function open({ out, settings }: Invocation, token?: string): Client {
  const { address } = settings;
  if (token !== undefined) warnIfOpen(out, address);
  return createClient({
    address,
    ...(token === undefined ? {} : { token }),
    fetch: async (input, init) => {
      const done = out.progress(`waiting for ${address}`);
      try {
        return await fetch(input, init);
      } finally {
        done();
      }
    },
  });
}

export function warnIfOpen(out: Printer, address: string): void {
  if (goesOpenly(address)) out.warn(`the token travels unencrypted to ${address}: use https`);
}

function goesOpenly(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' && !/^(localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
}

export const projectFlag: Readonly<Record<string, Flag>> = {
  project: {
    type: 'string',
    short: 'p',
    value: 'NAME',
    doc: 'the project (also SALLYPORT_PROJECT); default the last one added here',
  },
};

export const placeFlags: Readonly<Record<string, Flag>> = {
  ...projectFlag,
  service: { type: 'string', value: 'NAME', doc: 'the service, where the project has several' },
};

export function projectOf({ flag, settings }: Invocation): string {
  const project = flag('project') ?? settings.env['SALLYPORT_PROJECT'] ?? settings.project;
  if (project !== undefined) return project;
  throw new Fault('invalid', 'cli.no_project', 'expected a project, got none', {
    hint: 'name it with --project, or add a repository with sally repo add',
  });
}

export function placeOf(invocation: Invocation, environment: string): Place {
  const service = invocation.flag('service');
  return { project: projectOf(invocation), environment, ...(service === undefined ? {} : { service }) };
}

/** `sha256:…` whole, or a beginning of at least six digits that only one digest of the project has. */
export async function digestOf(invocation: Invocation, client: Client, text: string): Promise<string> {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return text;
  const start = text.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{6,64}$/.test(start)) {
    throw new Fault(
      'invalid',
      'cli.digest',
      `expected a digest or the first six or more of its digits, got '${text}'`,
      {
        hint: 'sally runs lists the digests of a project',
      },
    );
  }
  const runs = await client.runs.list(projectOf(invocation), 200);
  const found = [
    ...new Set(runs.map((run) => run.image).filter((image) => image?.startsWith(`sha256:${start}`))),
  ];
  const [only, second] = found;
  if (only !== undefined && second === undefined) return only;
  throw new Fault(
    'not_found',
    'cli.digest',
    `expected one digest that begins with ${start}, found ${found.length}`,
    { hint: 'sally runs lists the digests of a project' },
  );
}

export const short = (digest: string | undefined): string =>
  digest === undefined ? '-' : digest.replace('sha256:', '').slice(0, 12);

export function nameFromPath(source: string): string {
  const name = basename(source.replace(/\/+$/, ''))
    .replace(/\.git$/, '')
    .toLowerCase();
  return (
    name
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || 'repository'
  );
}
