import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import { badFile } from './found.ts';

/** A value of a SOPS file, in the order of the file: its MAC is over values in this order. */
export type SopsNode =
  | { readonly kind: 'map'; readonly entries: readonly (readonly [string, SopsNode])[] }
  | { readonly kind: 'list'; readonly items: readonly SopsNode[] }
  | { readonly kind: 'text'; readonly text: Uint8Array }
  /** A number, `true` or `false`, as JSON writes it. */
  | { readonly kind: 'bare'; readonly json: string }
  | { readonly kind: 'null' };

export interface SopsRules {
  readonly lastModified: string;
  readonly mac: string;
  readonly macOnlyEncrypted: boolean;
  readonly encryptedSuffix: string | undefined;
  readonly unencryptedSuffix: string | undefined;
}

/** What SOPS hashes first when only encrypted values are under the MAC, so that the two kinds of MAC never agree. */
const onlyEncrypted = Buffer.from('8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69', 'hex');

/**
 * Opens every value under the data key and checks the MAC over all of them. A value is bound to its place by the names
 * that lead to it (AES-256-GCM, additional data `a:b:`), and the set of values by the MAC (SHA-512, encrypted under the
 * time of the last change). Throws Fault `cli.sops`; nothing is given of a file that is not whole.
 */
export function openSops(root: SopsNode, rules: SopsRules, dataKey: Uint8Array): SopsNode {
  if (dataKey.length !== 32) throw refused('a data key of 32 bytes');
  const hash = createHash('sha512');
  if (rules.macOnlyEncrypted) hash.update(onlyEncrypted);

  const walk = (node: SopsNode, path: readonly string[]): SopsNode => {
    switch (node.kind) {
      case 'map':
        return {
          kind: 'map',
          entries: node.entries.map(([name, value]) => [name, walk(value, [...path, name])] as const),
        };
      case 'list':
        return { kind: 'list', items: node.items.map((item) => walk(item, path)) };
      case 'null':
        return node;
      default: {
        const encrypted = isEncrypted(path, rules);
        const open = encrypted ? decrypted(node, dataKey, `${path.join(':')}:`) : node;
        if (encrypted || !rules.macOnlyEncrypted) hash.update(macBytes(open));
        return open;
      }
    }
  };
  const opened = walk(root, []);
  const expected = Buffer.from(hash.digest('hex').toUpperCase());
  const { text } = decryptText(rules.mac, dataKey, rules.lastModified);
  if (text.length === expected.length && timingSafeEqual(text, expected)) return opened;
  throw refused('the values that its MAC was made over');
}

/** As SOPS decides it: one rule of a file, looked for in every name on the way. */
function isEncrypted(path: readonly string[], { encryptedSuffix, unencryptedSuffix }: SopsRules): boolean {
  if (encryptedSuffix !== undefined) return path.some((name) => name.endsWith(encryptedSuffix));
  return unencryptedSuffix === undefined || !path.some((name) => name.endsWith(unencryptedSuffix));
}

function decrypted(node: SopsNode, key: Uint8Array, place: string): SopsNode {
  if (node.kind !== 'text') throw refused(`an encrypted value at ${place}`);
  // SOPS leaves an empty text as it is.
  if (node.text.length === 0) return node;
  const { text, type } = decryptText(Buffer.from(node.text).toString('latin1'), key, place);
  const plain = text.toString('latin1');
  if (type === 'str' || type === 'bytes' || type === 'time') return { kind: 'text', text };
  if (type === 'int' && /^-?(0|[1-9][0-9]{0,18})$/.test(plain)) return { kind: 'bare', json: plain };
  if (type === 'float' && /^-?[0-9]{1,400}(\.[0-9]{1,400})?$/.test(plain))
    return { kind: 'bare', json: plain };
  if (type === 'bool' && /^(True|False)$/.test(plain)) return { kind: 'bare', json: plain.toLowerCase() };
  throw refused(`a value of a known type at ${place}`);
}

function decryptText(
  sealed: string,
  key: Uint8Array,
  place: string,
): { readonly text: Buffer; readonly type: string } {
  const form =
    /^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]$/;
  const [, data, iv, tag, type] = form.exec(sealed) ?? [];
  if (data === undefined || iv === undefined || tag === undefined || type === undefined) {
    throw refused(`an encrypted value at ${place}`);
  }
  const [nonce, mark] = [Buffer.from(iv, 'base64'), Buffer.from(tag, 'base64')];
  // A short tag would be accepted by luck.
  if (nonce.length !== 32 || mark.length !== 16) throw refused(`an encrypted value at ${place}`);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
    decipher.setAAD(Buffer.from(place));
    decipher.setAuthTag(mark);
    return { text: Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]), type };
  } catch (cause) {
    throw refused(`the value that was encrypted at ${place}`, cause);
  }
}

function macBytes(node: SopsNode): Uint8Array {
  if (node.kind === 'text') return node.text;
  const json = node.kind === 'bare' ? node.json : '';
  if (json === 'true') return Buffer.from('True');
  if (json === 'false') return Buffer.from('False');
  return Buffer.from(/^-?[0-9]+(\.[0-9]*[1-9])?$/.test(json) ? json : withoutExponent(Number(json)));
}

/** The shortest digits that name this number, written out, as Go's 'f' format with precision -1 does. */
function withoutExponent(value: number): string {
  const [, sign = '', whole = '', part = '', power = ''] =
    /^(-?)([0-9]+)(?:\.([0-9]+))?(?:e([+-][0-9]+))?$/.exec(String(value)) ?? [];
  const point = whole.length + Number(power);
  const digits = whole + part;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** JSON of a tree that was opened. */
export function jsonOfTree(node: SopsNode): Buffer {
  switch (node.kind) {
    case 'map': {
      const parts = node.entries.flatMap(([name, value], index) => [
        Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(name)}:`),
        jsonOfTree(value),
      ]);
      return Buffer.concat([Buffer.from('{'), ...parts, Buffer.from('}')]);
    }
    case 'list': {
      const parts = node.items.flatMap((item, index) => [
        Buffer.from(index === 0 ? '' : ','),
        jsonOfTree(item),
      ]);
      return Buffer.concat([Buffer.from('['), ...parts, Buffer.from(']')]);
    }
    case 'text': {
      const text = Buffer.from(node.text);
      if (!text.equals(Buffer.from(text.toString('utf8'))))
        throw badFile('expected text in a SOPS file, got bytes');
      return Buffer.from(JSON.stringify(text.toString('utf8')));
    }
    case 'bare':
      return Buffer.from(node.json);
    case 'null':
      return Buffer.from('null');
  }
}

function refused(expected: string, cause?: unknown): Fault {
  return new Fault('integrity', 'cli.sops', `expected ${expected}, the SOPS file has something else`, {
    hint: 'it was changed without sops, or the key is another one',
    ...(cause === undefined ? {} : { cause }),
  });
}
