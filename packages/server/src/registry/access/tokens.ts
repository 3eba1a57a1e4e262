import { Fault, fromUtf8, isFault, utf8 } from '@sallyport/formats';
import type { Actor, Authorize, Capability, Clock } from '#platform';
import { type Action, allActions, capabilityOf, type Grant, scopeText } from './scope.ts';

/** Makes bytes that only this installation can read again, and that nobody can alter; the keyring does it. */
export interface TokenSeal {
  seal(plaintext: Uint8Array): Uint8Array;
  /** Undefined for anything that `seal` did not give. */
  open(sealed: Uint8Array): Uint8Array | undefined;
}

export interface AccessTokensDeps {
  readonly seal: TokenSeal;
  /** The actor behind a credential of ours, as it is now. */
  readonly authenticate: (credential: string) => Promise<Actor>;
  readonly authorize: Authorize;
  readonly clock: Clock;
  /** Where clients come for a token: an URL that they reach, ending in `/v2/token`. */
  readonly realm: string;
  readonly service: string;
}

export interface IssuedAccess {
  readonly token: string;
  readonly issuedAt: Date;
  readonly expiresInSeconds: number;
  readonly granted: readonly Grant[];
}

/**
 * Tokens as docker and containerd ask for them: a few minutes long, for some actions on some repositories. A token
 * holds the credential it was made from, sealed, so that each use asks who that is now: what is revoked or taken from
 * somebody is so at once, and a token never gives more than the credential and less than its own grants.
 */
export interface AccessTokens {
  readonly realm: string;
  readonly service: string;
  /** The actor behind a credential that a token is to be made from. A token itself is none: it would live for ever. */
  admit(credential: string): Promise<Actor>;
  /** Grants an admitted actor what the policies allow of `wanted`, which may be nothing. */
  issue(admitted: Actor, wanted: readonly Grant[]): Promise<IssuedAccess>;
  /** The actor behind one of these tokens or behind a credential itself. */
  authenticate(bearer: string): Promise<Actor>;
  /** Throws `registry.scope_insufficient` when the actor came with a token that does not name this. */
  assertGranted(actor: Actor, capability: Capability, repository: string): void;
}

export const accessTokenSeconds = 300;
const prefix = 'spr_';
/** As long as a header may bring it. */
const maxTokenLength = 8192;

export function createAccessTokens(deps: AccessTokensDeps): AccessTokens {
  const { seal, clock } = deps;
  /** An actor that came with a credential of its own is in here never, and is bound by policies alone. */
  const grantsOf = new WeakMap<Actor, readonly Grant[]>();
  const credentialOf = new WeakMap<Actor, string>();

  async function allowed(actor: Actor, action: Action, repository: string): Promise<boolean> {
    try {
      await deps.authorize(actor, capabilityOf[action], `registry/${repository}`);
      return true;
    } catch (error) {
      if (isFault(error) && error.kind === 'denied') return false;
      throw error;
    }
  }

  return {
    realm: deps.realm,
    service: deps.service,

    async admit(credential) {
      if (credential.startsWith(prefix)) throw refused();
      const actor = { ...(await deps.authenticate(credential)) };
      credentialOf.set(actor, credential);
      return actor;
    },

    async issue(actor, wanted) {
      const credential = credentialOf.get(actor);
      if (credential === undefined) throw refused();
      const granted: Grant[] = [];
      for (const { repository, actions } of wanted) {
        const held: Action[] = [];
        for (const action of actions) if (await allowed(actor, action, repository)) held.push(action);
        if (held.length > 0) granted.push({ repository, actions: held });
      }
      const issuedAt = clock.now();
      const expiresAt = issuedAt.getTime() + accessTokenSeconds * 1000;
      const content = utf8(JSON.stringify({ credential, granted, expiresAt }));
      const token = prefix + Buffer.from(seal.seal(content)).toString('base64url');
      if (token.length > maxTokenLength)
        throw new Fault(
          'invalid',
          'registry.scope_invalid',
          `expected scopes for a token of at most ${maxTokenLength} characters`,
        );
      return { token, issuedAt, expiresInSeconds: accessTokenSeconds, granted };
    },

    async authenticate(bearer) {
      if (!bearer.startsWith(prefix)) return await deps.authenticate(bearer);
      const opened = seal.open(Buffer.from(bearer.slice(prefix.length), 'base64url'));
      if (opened === undefined) throw refused();
      const content = contentOf(opened);
      if (content.expiresAt <= clock.now().getTime()) throw refused();
      // A copy of its own: two requests of one actor may come with different tokens.
      const actor = { ...(await deps.authenticate(content.credential)) };
      grantsOf.set(actor, content.granted);
      return actor;
    },

    assertGranted(actor, capability, repository) {
      const grants = grantsOf.get(actor);
      if (grants === undefined) return;
      const action = allActions.find((each) => capabilityOf[each] === capability);
      const held = grants.some(
        (grant) => grant.repository === repository && action !== undefined && grant.actions.includes(action),
      );
      if (held) return;
      // 401 with the missing scope: the client comes back with a token for it, if the policies allow it.
      throw new Fault(
        'unauthenticated',
        'registry.scope_insufficient',
        `expected a token with "${scopeText([{ repository, actions: action === undefined ? [] : [action] }])}"`,
      );
    },
  };
}

/** What we sealed ourselves; still read field by field, for a later version may seal something else. */
function contentOf(bytes: Uint8Array): { credential: string; granted: readonly Grant[]; expiresAt: number } {
  const value: unknown = JSON.parse(fromUtf8(bytes));
  if (
    typeof value === 'object' &&
    value !== null &&
    'credential' in value &&
    typeof value.credential === 'string' &&
    'expiresAt' in value &&
    typeof value.expiresAt === 'number' &&
    'granted' in value &&
    Array.isArray(value.granted)
  )
    return { credential: value.credential, granted: value.granted, expiresAt: value.expiresAt };
  throw refused();
}

function refused(): Fault {
  return new Fault('unauthenticated', 'registry.token_refused', 'expected a valid token of the registry', {
    hint: 'ask for a new one at the realm',
  });
}
