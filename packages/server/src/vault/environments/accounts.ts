import { createHmac, type KeyObject } from 'node:crypto';
import { wordsOf } from './key-names.ts';

/**
 * Where a credential leads: a host and a user there. Two environments that use one account of one host share a credential
 * whatever its password is. Found where the names of keys say it (`host` and `username`, `DB_HOST` and `DB_USER`) in one
 * object, and in URLs with a user.
 */
export interface AccountFinder {
  begin(): void;
  /** Leaves an object; tells the accounts in it. */
  end(): void;
  see(key: string, bytes: Buffer, start: number, end: number): void;
}

interface Pair {
  host?: Buffer;
  user?: Buffer;
}

/** Of fingerprints of accounts, which no fingerprint of a value begins with. */
export const accountMark = '@';
const printLength = 22;

const hostWords = new Set(['host', 'hostname', 'server', 'endpoint', 'addr', 'address']);
const userWords = new Set(['user', 'username', 'login']);
/** Each environment has its own of these. */
const nowhere = new Set(['localhost', '127.0.0.1', '::1', '0.0.0.0', 'host.docker.internal']);
const longest = 253;
const maxPairs = 64;
const scheme = Buffer.from('://');
const [at, colon, slash] = [0x40, 0x3a, 0x2f];

/** `found` is told each account of a document, as its fingerprint. */
export function createAccountFinder(
  key: KeyObject,
  found: (print: string, name: string) => void,
): AccountFinder {
  const levels: Map<string, Pair>[] = [];

  function tell(host: Buffer, user: Buffer, name: string): void {
    const place = host.toString('latin1').trim().toLowerCase().replace(/:\d+$/, '');
    if (place === '' || nowhere.has(place) || user.length === 0) return;
    const hmac = createHmac('sha256', key).update(`account\0${place}\0`).update(user).digest('base64url');
    found(accountMark + hmac.slice(0, printLength - accountMark.length), name);
  }

  return {
    begin: () => void levels.push(new Map()),
    end() {
      for (const [prefix, { host, user }] of levels.pop() ?? [])
        if (host !== undefined && user !== undefined) tell(host, user, `${prefix}host and user`);
    },
    see(name, bytes, start, end) {
      if (end - start > longest || end === start) return;
      const text = bytes.subarray(start, end);
      const url = userAndHost(text);
      if (url !== undefined) tell(url.host, url.user, name);
      const words = wordsOf(name);
      const last = words.pop() ?? '';
      const kind = hostWords.has(last) ? 'host' : userWords.has(last) ? 'user' : undefined;
      const pairs = levels.at(-1);
      if (kind === undefined || pairs === undefined || pairs.size >= maxPairs) return;
      const prefix = words.map((word) => `${word} `).join('');
      const pair = pairs.get(prefix) ?? {};
      // Neither is a secret; the password stays where it is.
      pair[kind] = Buffer.from(text);
      pairs.set(prefix, pair);
    },
  };
}

/** Of `scheme://user:password@host:port/path`, without looking at the password. */
function userAndHost(text: Buffer): { readonly user: Buffer; readonly host: Buffer } | undefined {
  const begin = text.indexOf(scheme);
  if (begin <= 0) return undefined;
  const from = begin + scheme.length;
  const path = text.indexOf(slash, from);
  const authority = text.subarray(from, path < 0 ? text.length : path);
  const sign = authority.lastIndexOf(at);
  if (sign <= 0) return undefined;
  const secret = authority.indexOf(colon);
  return {
    user: authority.subarray(0, secret >= 0 && secret < sign ? secret : sign),
    host: authority.subarray(sign + 1),
  };
}
