import { SecretBytes } from '@sallyport/formats';
import type { Clock, Db, Random } from '#platform';
import { systemActor } from '#platform';
import type { People } from '../people/people.ts';
import type { Principal } from '../people/principal.ts';
import { peopleStore } from '../people/store.pg.ts';
import { adminPolicy } from '../policy/built-in.ts';
import { tokenStore } from './store.pg.ts';
import { formatToken, hashToken, type IssuedToken, tokenBytes, unauthenticated } from './token.ts';
import type { Tokens } from './tokens.ts';

/** Long enough to read the first start's output tomorrow; a restart prints a new one. */
const bootstrapSeconds = 24 * 3600;

export interface FirstPerson {
  readonly name: string;
  readonly email: string;
  readonly ttlSeconds: number;
}

export interface Bootstrap {
  /** A new one-time token, or undefined when an administrator exists. Tokens given before stay good until one is used. */
  bootstrap(): Promise<SecretBytes | undefined>;
  /** Exchanges a bootstrap token for the first administrator and a token of theirs. Exactly one exchange ever works. */
  login(
    text: string,
    person: FirstPerson,
  ): Promise<{ readonly person: Principal; readonly issued: IssuedToken }>;
}

export function createBootstrap(deps: {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly people: People;
  readonly tokens: Tokens;
}): Bootstrap {
  const { db, clock, random, people, tokens } = deps;

  return {
    async bootstrap() {
      const text = formatToken(random.bytes(tokenBytes));
      const expiresAt = new Date(clock.now().getTime() + bootstrapSeconds * 1000);
      const given = await db.write(async (tx) => {
        await peopleStore.lockAdministrators(tx);
        if (await peopleStore.anyoneHolds(tx, adminPolicy)) return false;
        await tokenStore.insertBootstrap(tx, hashToken(text), expiresAt);
        return true;
      });
      return given ? SecretBytes.fromUtf8(text) : undefined;
    },

    async login(text, wanted) {
      const hash = hashToken(text);
      return await db.write(async (tx) => {
        // All exchanges queue here; whoever comes second finds an administrator and no bootstrap token.
        await peopleStore.lockAdministrators(tx);
        const found = await tokenStore.findBootstrap(tx, hash);
        if (found === undefined || found.expiresAt <= clock.now()) throw unauthenticated();
        if (await peopleStore.anyoneHolds(tx, adminPolicy)) throw unauthenticated();
        await tokenStore.clearBootstrap(tx);
        const person = await people.addPerson(tx, systemActor, {
          name: wanted.name,
          emails: [wanted.email],
          policies: [adminPolicy],
        });
        const issued = await tokens.addToken(tx, systemActor, person, {
          ttlSeconds: wanted.ttlSeconds,
          description: 'first administrator',
        });
        return { person, issued };
      });
    },
  };
}
