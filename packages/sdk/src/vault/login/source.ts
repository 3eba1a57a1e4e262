import { SecretBytes } from '@sallyport/formats';
import { type Answer, unexpected } from '../answer.ts';
import type { Calls } from '../calls.ts';

/** What a way to sign in may use. */
export interface LoginTools {
  readonly calls: Calls;
  /** Whole content of a small file. Throws Fault. */
  readFile(path: string): Promise<SecretBytes>;
}

/** A token with what its server said about it. */
export interface Issued {
  readonly token: SecretBytes;
  /** Seconds it lives; 0: it has no end. */
  readonly seconds: number;
  readonly renewable: boolean;
}

/** A way to sign in. Each call is a new token, or Fault. */
export interface LoginSource {
  readonly name: string;
  /** Whether it can give another token when the last one has ended. */
  readonly repeatable: boolean;
  login(tools: LoginTools): Promise<Issued>;
}

/** The token of an answer with `auth`. Wipes the answer. */
export function issuedBy(answer: Answer, path: string): Issued {
  try {
    const token = answer.find('auth', 'client_token');
    if (token?.kind !== 'string') throw unexpected('auth.client_token', path);
    return {
      token: answer.secret(token),
      seconds: Math.max(0, answer.number('auth', 'lease_duration') ?? 0),
      renewable: answer.flag('auth', 'renewable'),
    };
  } finally {
    answer.wipe();
  }
}

/** Without the line end that editors and `echo` leave behind a token. */
export function trimmed(secret: SecretBytes): SecretBytes {
  const bytes = secret.expose();
  let [start, end] = [0, bytes.length];
  while (end > start && (bytes[end - 1] ?? 0) <= 0x20) end -= 1;
  while (start < end && (bytes[start] ?? 0) <= 0x20) start += 1;
  const inner = SecretBytes.from(bytes.subarray(start, end));
  secret.wipe();
  return inner;
}
