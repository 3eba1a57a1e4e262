import { Fault, SecretBytes } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { readSecret } from '../../input.ts';
import { writeNewPrivately } from '../../private-file.ts';
import { vaultAddress, withVault } from '../vault/connect.ts';
import { type AgeReaders, ageEncrypt } from './age.ts';
import { writeExport } from './export-file.ts';
import { type Found, wipeFound } from './found.ts';
import { walkSecrets } from './walk.ts';

const openFlag = 'plaintext-anyone-can-read';

export const secretExport: Command = {
  name: ['secret', 'export'],
  summary: 'write all secrets of a mount to one encrypted file, for recovery',
  more: [
    'The file is in the format of age (age-encryption.org): `age --decrypt` opens it, and sally secret import --from',
    'export brings it back. A passphrase is asked for when there is no --recipient.',
  ],
  flags: {
    mount: { type: 'string', value: 'PATH', doc: 'what to export: a mount, or a path in it' },
    out: { type: 'string', value: 'FILE', doc: 'where to; a new file that only you can read' },
    recipient: { type: 'string', many: true, value: 'AGE1…', doc: 'who can open it: an age recipient' },
    versions: { type: 'boolean', doc: 'all versions, not the current ones alone' },
    [openFlag]: { type: 'boolean', doc: 'do not encrypt: whoever reads the file has every secret' },
  },
  examples: [
    'sally secret export --mount secret --out secrets.age',
    'sally secret export --mount secret/team --out team.age --versions --recipient "$(cat ops.pub)"',
  ],
  run: async (invocation) => {
    const { out, flag, flags, on } = invocation;
    const [mount, file, recipients] = [flag('mount'), flag('out'), flags('recipient')];
    if (mount === undefined || file === undefined) {
      throw new Fault('invalid', 'cli.usage', 'expected --mount and --out, got less');
    }
    if (on(openFlag) && recipients.length > 0) {
      throw new Fault('invalid', 'cli.usage', `expected --recipient or --${openFlag}, got both`);
    }
    const readers = on(openFlag) ? undefined : await readersOf(recipients);
    const place = writeNewPrivately(file);
    let written = false;
    try {
      const found = await collect(invocation, mount);
      const plain = writeExport(vaultAddress(invocation), mount, found);
      wipeFound(found);
      const content = readers === undefined ? plain : await ageEncrypt(plain, readers);
      place.finish(content);
      written = true;
      plain.fill(0);
      out.data(
        { file: place.path, secrets: found.length, encrypted: readers !== undefined },
        () => `wrote ${found.length} secrets to ${place.path}`,
      );
      if (readers === undefined) out.warn('the file is not encrypted: whoever reads it has every secret');
    } finally {
      if (!written) place.remove();
    }
    return undefined;
  },
};

async function readersOf(recipients: readonly string[]): Promise<AgeReaders> {
  if (recipients.length > 0) {
    // Before anything is read: an address with a typing error must not be found out at the end.
    await ageEncrypt(new Uint8Array(0), { recipients });
    return { recipients };
  }
  const passphrase = await readSecret('passphrase');
  if (process.stdin.isTTY && !(await readSecret('passphrase again')).equals(passphrase)) {
    throw new Fault('invalid', 'cli.passphrase', 'expected the same passphrase twice, got two');
  }
  if (passphrase.sizeBytes < 12) {
    throw new Fault(
      'invalid',
      'cli.passphrase',
      'expected a passphrase of at least 12 characters, got fewer',
      {
        hint: 'who has the file can try passphrases for years',
      },
    );
  }
  return { passphrase: SecretBytes.from(passphrase.expose()) };
}

async function collect(invocation: Invocation, mount: string): Promise<readonly Found[]> {
  return await withVault(invocation, async (client) => {
    const found: Found[] = [];
    for await (const each of walkSecrets(client, mount, {
      versions: invocation.on('versions'),
      namesOnly: false,
    })) {
      found.push(each);
    }
    return found;
  });
}
