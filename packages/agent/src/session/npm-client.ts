import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Fault, parseStrictJson } from '@sallyport/formats';
import { type Registry, registryFromNpmrc } from '../egress/index.ts';

/**
 * The upstream of the mirror is the registry that the npm client of this host is configured with, with the token that
 * its npmrc holds; no address is built in.
 */
export async function npmRegistry(env: Readonly<Record<string, string | undefined>>): Promise<Registry> {
  const settings = await npmSettings();
  const npmrc = await readFile(settings.userconfig, 'utf8').catch(() => '');
  const ca = settings.cafile === undefined ? undefined : await readFile(settings.cafile, 'utf8');
  return { ...registryFromNpmrc(settings.registry, npmrc, env), ca };
}

async function npmSettings(): Promise<{ registry: string; userconfig: string; cafile: string | undefined }> {
  let text: string;
  try {
    const { stdout } = await promisify(execFile)('npm', ['config', 'list', '--json'], { timeout: 30_000 });
    text = stdout;
  } catch (cause) {
    throw new Fault(
      'precondition',
      'agent.no_npm',
      'expected the npm client, whose registry the mirror uses',
      {
        hint: 'npm config get registry must print the address of a registry',
        cause,
      },
    );
  }
  const parsed = parseStrictJson(text);
  const fields: Record<string, unknown> = typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  const one = (name: string): string | undefined => {
    const value = fields[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const registry = one('registry');
  if (registry === undefined) {
    throw new Fault('precondition', 'agent.no_registry', 'expected npm to name a registry, got none', {
      hint: 'npm config set registry <address>',
    });
  }
  return { registry, userconfig: one('userconfig') ?? '/nonexistent', cafile: one('cafile') };
}
