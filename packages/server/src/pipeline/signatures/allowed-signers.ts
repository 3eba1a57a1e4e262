import { equalBytes, Fault, fromBase64 } from '@sallyport/formats';

/** One line of an allowed signers file (ssh-keygen(1), section ALLOWED SIGNERS). */
export interface AllowedSigner {
  /** Patterns of principals, usually e-mail addresses: `*` and `?` are wildcards, `!` excludes. */
  readonly principals: readonly string[];
  readonly certAuthority: boolean;
  readonly namespaces?: readonly string[];
  readonly validAfter?: Date;
  readonly validBefore?: Date;
  readonly keyType: string;
  readonly publicKey: Uint8Array;
}

const maxCharacters = 262_144;

/** Reads an allowed signers file. One line that cannot be read refuses the file: it may have been meant to forbid. */
export function parseAllowedSigners(text: string): AllowedSigner[] {
  if (text.length > maxCharacters) throw wrong(0, `more than ${maxCharacters} characters`);
  const signers: AllowedSigner[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) signers.push(parseLine(trimmed, index + 1));
  }
  return signers;
}

/** Whether a principal is meant by the patterns; one that is excluded is not, whatever else matches. */
export function matchesPrincipal(patterns: readonly string[], principal: string): boolean {
  const excluded = patterns.some((each) => each.startsWith('!') && matches(each.slice(1), principal));
  return !excluded && patterns.some((each) => !each.startsWith('!') && matches(each, principal));
}

export const signersOf = (signers: readonly AllowedSigner[], publicKey: Uint8Array): AllowedSigner[] =>
  signers.filter((signer) => equalBytes(signer.publicKey, publicKey));

const keyTypes =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)$/;

function parseLine(line: string, number: number): AllowedSigner {
  const fields = splitFields(line, number);
  const [principals = '', second = '', third = '', fourth = ''] = fields;
  const hasOptions = !keyTypes.test(second);
  const [keyType, key] = hasOptions ? [third, fourth] : [second, third];
  if (!keyTypes.test(keyType)) throw wrong(number, 'no known key type');
  let publicKey: Uint8Array;
  try {
    publicKey = fromBase64(key);
  } catch (cause) {
    throw new Fault('invalid', 'pipeline.bad_signers', `line ${number}: expected a key in base64`, { cause });
  }
  const patterns = principals.split(',').filter((each) => each !== '');
  if (patterns.length === 0) throw wrong(number, 'no principals');
  return {
    principals: patterns,
    certAuthority: false,
    keyType,
    publicKey,
    ...(hasOptions ? parseOptions(second, number) : {}),
  };
}

/** Splits at spaces outside double quotes; quotes are kept only inside options, where values need them. */
function splitFields(line: string, number: number): string[] {
  const fields = line.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  if (fields.join('').length !== line.replace(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, '').length) {
    throw wrong(number, 'a quote that does not end');
  }
  const [first = '', ...rest] = fields;
  return [first.replaceAll('"', ''), ...rest];
}

function parseOptions(text: string, number: number): Partial<AllowedSigner> {
  let options: Partial<AllowedSigner> = {};
  for (const option of text.match(/(?:[^,"]|"[^"]*")+/g) ?? []) {
    const cut = option.indexOf('=');
    const name = (cut < 0 ? option : option.slice(0, cut)).toLowerCase();
    const value = cut < 0 ? '' : option.slice(cut + 1).replaceAll('"', '');
    if (name === 'cert-authority') options = { ...options, certAuthority: true };
    else if (name === 'namespaces') options = { ...options, namespaces: value.split(',') };
    else if (name === 'valid-after') options = { ...options, validAfter: parseTime(value, number) };
    else if (name === 'valid-before') options = { ...options, validBefore: parseTime(value, number) };
    // An option that is not understood may be a restriction.
    else throw wrong(number, `the unknown option "${name.slice(0, 40)}"`);
  }
  return options;
}

/** `YYYYMMDD[HHMM[SS]][Z]`; without a Z ssh-keygen takes local time, which for a server means UTC. */
function parseTime(text: string, number: number): Date {
  const match = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?Z?$/.exec(text);
  const [, year, month, day, hour = '00', minute = '00', second = '00'] = match ?? [];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = new Date(iso);
  if (match === null || Number.isNaN(time.getTime()) || time.toISOString() !== iso) {
    throw wrong(number, `the time "${text.slice(0, 20)}"`);
  }
  return time;
}

/** Wildcards without backtracking: linear in the text for each star. */
function matches(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p;
      mark = t;
      p += 1;
    } else if (pattern[p] === '?' || pattern[p] === text[t]) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      t = mark;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

const wrong = (line: number, found: string): Fault =>
  new Fault(
    'invalid',
    'pipeline.bad_signers',
    `line ${line}: expected "principals [options] type key", got ${found}`,
    {
      hint: 'the format is that of the allowed signers file of ssh-keygen',
    },
  );
