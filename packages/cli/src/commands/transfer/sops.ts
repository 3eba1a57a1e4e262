import { spawn } from 'node:child_process';
import { Fault, isFault, type SecretBytes } from '@sallyport/formats';
import { placesOf } from '@sallyport/sdk';
import type { Invocation } from '../../command.ts';
import { readFile } from '../vault/values.ts';
import { ageDecrypt, parseIdentities } from './age.ts';
import { badFile } from './found.ts';
import { readSopsFile, type SopsFile } from './sops-file.ts';
import { jsonOfTree, openSops } from './sops-tree.ts';

const maxBytes = 16 * 1024 * 1024;

/**
 * The values of a SOPS file as JSON. JSON and dotenv files with an age key we open by ourselves; for everything else,
 * YAML first of all, the program `sops` is asked, with its own keys and settings.
 */
export async function readSops(invocation: Invocation, file: string): Promise<Buffer> {
  const { env } = invocation.settings;
  const keyFile = invocation.flag('identity') ?? env['SOPS_AGE_KEY_FILE'];
  const bytes = readFile(file, maxBytes);
  const own = keyFile === undefined ? undefined : readSopsFile(bytes);
  if (own === undefined || keyFile === undefined) {
    if (file === '-') throw badFile('expected a file that sops can read by its name, got standard input');
    return await askSops(invocation, file, keyFile);
  }
  const key = readFile(keyFile);
  const identities = parseIdentities(key);
  key.fill(0);
  const dataKey = await dataKeyOf(own, identities);
  for (const identity of identities) identity.wipe();
  const json = jsonOfTree(openSops(own.root, own.rules, dataKey));
  dataKey.fill(0);
  return json;
}

async function dataKeyOf({ age }: SopsFile, identities: readonly SecretBytes[]): Promise<Buffer> {
  for (const [index, sealed] of age.entries()) {
    try {
      return await ageDecrypt(Buffer.from(sealed), { identities });
    } catch (error) {
      if (!isFault(error) || index === age.length - 1) throw error;
    }
  }
  throw badFile('expected a SOPS file with a key for an age recipient, found none');
}

function askSops({ out, settings }: Invocation, file: string, keyFile: string | undefined): Promise<Buffer> {
  const env = { ...settings.env, ...(keyFile === undefined ? {} : { SOPS_AGE_KEY_FILE: keyFile }) };
  // A name that begins with a dash would be a flag.
  const named = file.startsWith('/') ? file : `./${file}`;
  const child = spawn('sops', ['--decrypt', '--output-type', 'json', named], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const message = 'expected the program sops, which opens this file, found none';
      const hint = 'JSON and dotenv files with an age key are opened without it: --identity FILE';
      reject(new Fault('precondition', 'cli.no_sops', message, { hint, cause }));
    });
    child.stderr.on('data', (chunk: Buffer) =>
      out.quote(chunk.toString('utf8').replace(/^(?=.)/gm, 'sally: sops: ')),
    );
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.once('close', (code) => {
      const json = Buffer.concat(chunks);
      for (const chunk of chunks) chunk.fill(0);
      if (code !== 0)
        return reject(
          new Fault('denied', 'cli.sops', `expected sops to open ${file}, it ended with ${code}`),
        );
      try {
        placesOf(json);
        resolve(json);
      } catch (error) {
        reject(error);
      }
    });
  });
}
