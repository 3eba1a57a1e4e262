import { isUtf8 } from 'node:buffer';
import { fromUtf8 } from '@sallyport/formats';
import { type JsonPlace, placesOf, unescaped } from '@sallyport/sdk';
import { badFile } from './found.ts';
import type { SopsNode, SopsRules } from './sops-tree.ts';

/** A SOPS file that we can open by ourselves. */
export interface SopsFile {
  readonly root: SopsNode;
  readonly rules: SopsRules;
  /** The data key, encrypted with age for each recipient, armoured. */
  readonly age: readonly string[];
}

const maxDotenvLines = 10_000;

/**
 * Reads a SOPS file in JSON or dotenv whose data key is encrypted with age. Undefined for what only the program `sops`
 * opens: YAML and INI, other keys, keys in shares, and rules by regular expression, which would let a file decide how
 * long we are busy. Throws Fault `cli.import` for a file that is none.
 */
export function readSopsFile(bytes: Uint8Array): SopsFile | undefined {
  const first = bytes.find((byte) => byte > 0x20);
  if (first === 0x7b) return fromJson(bytes);
  return isUtf8(bytes) && /^sops_mac=/m.test(fromUtf8(bytes)) ? fromDotenv(fromUtf8(bytes)) : undefined;
}

function fromJson(bytes: Uint8Array): SopsFile | undefined {
  const place = placesOf(bytes);
  const head = place.members.get('sops');
  if (head?.kind !== 'object') throw badFile('expected a SOPS file, got JSON without sops');
  const text = (from: JsonPlace | undefined): string | undefined =>
    from?.kind === 'string' ? fromUtf8(unescaped(bytes, from)) : undefined;
  const facts = new Map([...head.members].map(([name, value]) => [name, text(value) ?? raw(bytes, value)]));
  const age = (head.members.get('age')?.items ?? []).flatMap((each) => text(each.members.get('enc')) ?? []);
  const shares = (head.members.get('key_groups')?.items.length ?? 0) > 0;
  const rules = shares ? undefined : rulesOf(facts);
  if (rules === undefined || age.length === 0) return undefined;
  const entries = [...place.members].filter(([name]) => name !== 'sops');
  return {
    rules,
    age,
    root: { kind: 'map', entries: entries.map(([name, value]) => [name, nodeOf(bytes, value)]) },
  };
}

const raw = (bytes: Uint8Array, { start, end }: JsonPlace): string => fromUtf8(bytes.subarray(start, end));

function nodeOf(bytes: Uint8Array, place: JsonPlace): SopsNode {
  switch (place.kind) {
    case 'object':
      return {
        kind: 'map',
        entries: [...place.members].map(([name, value]) => [name, nodeOf(bytes, value)]),
      };
    case 'array':
      return { kind: 'list', items: place.items.map((item) => nodeOf(bytes, item)) };
    case 'string':
      return { kind: 'text', text: unescaped(bytes, place) };
    case 'other': {
      const json = raw(bytes, place);
      return json === 'null' ? { kind: 'null' } : { kind: 'bare', json };
    }
  }
}

/** As SOPS writes it: what is about the file stands in variables that begin with `sops_`. */
function fromDotenv(text: string): SopsFile | undefined {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length > maxDotenvLines) throw badFile(`expected at most ${maxDotenvLines} lines, got more`);
  const all = lines.map((line): readonly [string, string] => {
    const at = line.indexOf('=');
    if (at < 1) throw badFile('expected NAME=VALUE in every line of a SOPS file in dotenv');
    return [line.slice(0, at), line.slice(at + 1).replaceAll('\\n', '\n')];
  });
  if (new Set(all.map(([name]) => name)).size !== all.length)
    throw badFile('expected each name once in a SOPS file');
  const facts = new Map(
    all.filter(([name]) => name.startsWith('sops_')).map(([name, value]) => [name.slice(5), value]),
  );
  const age = [...facts]
    .filter(([name]) => /^age__list_[0-9]+__map_enc$/.test(name))
    .map(([, value]) => value);
  const shares = [...facts.keys()].some((name) => name.startsWith('key_groups__'));
  const rules = shares ? undefined : rulesOf(facts);
  if (rules === undefined || age.length === 0) return undefined;
  const entries = all.filter(([name]) => !name.startsWith('sops_'));
  return {
    rules,
    age,
    root: {
      kind: 'map',
      entries: entries.map(([name, value]) => [name, { kind: 'text', text: Buffer.from(value) }]),
    },
  };
}

function rulesOf(facts: ReadonlyMap<string, string>): SopsRules | undefined {
  const beyond = [
    'encrypted_regex',
    'unencrypted_regex',
    'encrypted_comment_regex',
    'unencrypted_comment_regex',
  ];
  if (beyond.some((name) => (facts.get(name) ?? '') !== '')) return undefined;
  const [mac, lastModified] = [facts.get('mac') ?? '', facts.get('lastmodified') ?? ''];
  if (mac === '' || lastModified === '')
    throw badFile('expected a SOPS file with mac and lastmodified, got none');
  return {
    mac,
    lastModified,
    macOnlyEncrypted: facts.get('mac_only_encrypted') === 'true',
    encryptedSuffix: facts.get('encrypted_suffix') || undefined,
    unencryptedSuffix: facts.get('unencrypted_suffix') || undefined,
  };
}
