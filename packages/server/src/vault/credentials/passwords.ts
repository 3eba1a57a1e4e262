import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { Fault, fromBase64, type SecretBytes, toBase64 } from '@sallyport/formats';

/** N, r and p of RFC 7914 section 2. */
export interface PasswordCost {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

/** One stored password. The cost stands with it, so that a later, higher one leaves older passwords valid. */
export interface PasswordRecord extends PasswordCost {
  readonly algorithm: 'scrypt';
  /** Base64. */
  readonly salt: string;
  /** Base64. */
  readonly hash: string;
}

export interface Passwords {
  hash(password: SecretBytes): Promise<PasswordRecord>;
  /**
   * Whether the password is the one of the record. Without a record it works as long as with one, and says no: the time
   * of an answer does not tell which users there are. Throws `Fault('exhausted')` when too many wait already.
   */
  verify(record: PasswordRecord | undefined, password: SecretBytes): Promise<boolean>;
}

/** 32 MiB and some tenths of a second per password: one of the equal settings of OWASP's password storage cheat sheet. */
const passwordCost: PasswordCost = { cost: 2 ** 15, blockSize: 8, parallelization: 3 };
const hashBytes = 32;
const saltBytes = 16;
const maxPasswordBytes = 1024;
/** What a record may ask of us; beyond it a forged record would hold a thread and half the memory. */
const maxMemoryBytes = 256 * 1024 * 1024;
const maxWork = 2 ** 24;

/**
 * Hashes passwords off the main thread. `atOnce` of them run (each holds a thread of the pool, which also syncs the
 * journal), at most `waiting` more wait; a flood of logins beyond is refused, and nothing else slows down.
 */
export function createPasswords(deps: {
  /** `sizeBytes` bytes from the operating system's generator. */
  readonly randomBytes: (sizeBytes: number) => Uint8Array;
  readonly atOnce?: number;
  readonly waiting?: number;
  /** Of new hashes and of the one for nobody. */
  readonly cost?: PasswordCost;
}): Passwords {
  const { randomBytes, atOnce = 2, waiting = 64, cost = passwordCost } = deps;
  const queue: Array<() => void> = [];
  let running = 0;
  const nobody: PasswordRecord = {
    algorithm: 'scrypt',
    ...cost,
    salt: toBase64(randomBytes(saltBytes)),
    hash: toBase64(randomBytes(hashBytes)),
  };

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= atOnce) {
      if (queue.length >= waiting)
        throw new Fault('exhausted', 'vault.logins', 'too many logins at once, try again later');
      // Whoever ends hands its place over, so that nobody slips in between.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next === undefined) running--;
      else next();
    }
  }

  return {
    async hash(password) {
      checkPassword(password);
      const salt = randomBytes(saltBytes);
      const hash = await inTurn(() => derive(password, salt, cost));
      return { algorithm: 'scrypt', ...cost, salt: toBase64(salt), hash: toBase64(hash) };
    },

    async verify(record, password) {
      const claimed = record ?? nobody;
      const salt = fromBase64(claimed.salt);
      const expected = fromBase64(claimed.hash);
      checkRecord(claimed, expected);
      // No stored password is as long: nothing to compare, nothing that its length would tell of a user.
      if (password.sizeBytes > maxPasswordBytes) return false;
      const hash = await inTurn(() => derive(password, salt, claimed));
      return timingSafeEqual(hash, expected) && record !== undefined;
    },
  };
}

function derive(
  password: SecretBytes,
  salt: Uint8Array,
  { cost, blockSize, parallelization }: PasswordCost,
): Promise<Buffer> {
  const options: ScryptOptions = { N: cost, r: blockSize, p: parallelization, maxmem: maxMemoryBytes };
  return new Promise((resolve, reject) => {
    scrypt(password.expose(), salt, hashBytes, options, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}

function checkPassword({ sizeBytes }: SecretBytes): void {
  if (sizeBytes === 0) throw new Fault('invalid', 'vault.password', 'missing password');
  if (sizeBytes > maxPasswordBytes)
    throw new Fault('invalid', 'vault.password', `expected a password of at most ${maxPasswordBytes} bytes`);
}

function checkRecord({ cost, blockSize, parallelization }: PasswordRecord, hash: Uint8Array): void {
  const sound =
    hash.length === hashBytes &&
    [cost, blockSize, parallelization].every((value) => Number.isSafeInteger(value) && value > 0) &&
    128 * cost * blockSize < maxMemoryBytes &&
    cost * blockSize * parallelization <= maxWork;
  if (!sound)
    throw new Fault('integrity', 'vault.password_record', 'expected a password record with costs in bounds');
}
