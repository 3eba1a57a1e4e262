import { Fault, isFault, SecretBytes } from '@sallyport/formats';
import type { Answer } from './answer.ts';
import type { Calls, VaultCall } from './calls.ts';
import { type Issued, issuedBy, type LoginSource, type LoginTools } from './login/source.ts';
import { backOff, type Timing } from './timing.ts';

/** Calls with a token that is kept alive: signed in when first needed, renewed in the background, replaced when it ends. */
export interface Session {
  send(call: VaultCall): Promise<Answer>;
  /** A copy of the token, for who keeps it; the caller wipes it. */
  token(): Promise<{ readonly token: SecretBytes; readonly seconds: number; readonly renewable: boolean }>;
  /** Ends renewal and wipes the token; with `revoke` the server forgets it too, and all that was leased with it. */
  close(revoke: boolean): Promise<void>;
}

export interface SessionDeps {
  readonly calls: Calls;
  readonly source: LoginSource;
  readonly tools: LoginTools;
  readonly timing: Timing;
  /** Told when the token could not be renewed or replaced; the next call finds out too. */
  readonly onTrouble: (fault: unknown) => void;
}

interface Held extends Issued {
  readonly since: number;
  /** Milliseconds of `timing`; undefined: no end. */
  readonly until: number | undefined;
  /** Seconds the first of its leases had: a much shorter one means that the longest life is near. */
  readonly fullSeconds: number;
}

/** A refusal this soon after signing in is about the path, not about the token. */
const freshMs = 10_000;

export function createSession(deps: SessionDeps): Session {
  const { calls, source, timing } = deps;
  let held: Held | undefined;
  let signingIn: Promise<Held> | undefined;
  let cancelRenewal: () => void = () => undefined;
  let closed = false;

  function keep(issued: Issued, fullSeconds = issued.seconds): Held {
    const now = timing.now();
    if (held !== undefined && held.token !== issued.token) held.token.wipe();
    const until = issued.seconds === 0 ? undefined : now + issued.seconds * 1000;
    const next: Held = { ...issued, since: now, until, fullSeconds };
    held = next;
    if (issued.seconds > 0 && (issued.renewable || source.repeatable)) {
      plan(Math.floor(issued.seconds * 1000 * (2 / 3) * (0.9 + timing.random() / 10)), 0);
    }
    return next;
  }

  function plan(ms: number, failures: number): void {
    cancelRenewal();
    if (closed) return;
    cancelRenewal = timing.after(ms, () => {
      refresh().catch((error: unknown) => {
        if (closed) return;
        deps.onTrouble(error);
        const worthIt = isFault(error) && error.kind === 'unavailable';
        const alive = held?.until === undefined || timing.now() < held.until;
        if (worthIt && alive) plan(backOff(timing, failures, 1_000, 60_000), failures + 1);
      });
    });
  }

  async function refresh(): Promise<void> {
    const current = held;
    if (current === undefined) return;
    if (!current.renewable) {
      await signIn();
      return;
    }
    const renewed = await renew(current).catch((error: unknown) => {
      if (isFault(error) && error.kind === 'unavailable') throw error;
      return undefined;
    });
    if (closed || held !== current) return;
    const nearItsEnd = renewed === undefined || renewed.seconds < current.fullSeconds / 3;
    if (nearItsEnd && source.repeatable) await signIn();
    else if (renewed === undefined) throw ended();
    else keep({ ...renewed, token: current.token }, current.fullSeconds);
  }

  async function renew(current: Held): Promise<Issued> {
    const path = 'auth/token/renew-self';
    const body = { increment: `${current.fullSeconds}s` };
    const issued = issuedBy(await using(current, { method: 'POST', path, body }), path);
    issued.token.wipe();
    return issued;
  }

  /** One at a time, whoever asks: callers and renewal get the same token. */
  function signIn(): Promise<Held> {
    signingIn ??= source
      .login(deps.tools)
      .then((issued) => {
        if (!closed) return keep(issued);
        issued.token.wipe();
        throw over();
      })
      .finally(() => {
        signingIn = undefined;
      });
    return signingIn;
  }

  async function ensure(): Promise<Held> {
    if (closed) throw over();
    if (held === undefined) return await signIn();
    if (held.until === undefined || timing.now() < held.until) return held;
    if (!source.repeatable) throw ended();
    return await signIn();
  }

  /** With a copy, so that a token replaced meanwhile can be wiped at once. */
  async function using(current: Held, call: VaultCall): Promise<Answer> {
    const copy = SecretBytes.from(current.token.expose());
    try {
      return await calls.send(call, copy);
    } finally {
      copy.wipe();
    }
  }

  async function isAlive(current: Held): Promise<boolean> {
    if (held !== current) return false;
    const answer = await using(current, { method: 'GET', path: 'auth/token/lookup-self', accept: [403] });
    answer.wipe();
    return answer.status === 200;
  }

  return {
    async send(call) {
      const current = await ensure();
      try {
        return await using(current, call);
      } catch (error) {
        const refused = isFault(error) && error.kind === 'denied' && error.details['status'] === 403;
        if (!refused || !source.repeatable || timing.now() - current.since < freshMs) throw error;
        if (await isAlive(current)) throw error;
        // It was refused, so nothing was done: asking again with a new token cannot do it twice.
        return await using(held === current || held === undefined ? await signIn() : held, call);
      }
    },
    async token() {
      const { token, seconds, renewable } = await ensure();
      return { token: SecretBytes.from(token.expose()), seconds, renewable };
    },
    async close(revoke) {
      cancelRenewal();
      const last = closed ? undefined : held;
      closed = true;
      if (last === undefined) return;
      try {
        if (revoke) (await using(last, { method: 'POST', path: 'auth/token/revoke-self', body: {} })).wipe();
      } finally {
        last.token.wipe();
        held = undefined;
      }
    },
  };
}

function ended(): Fault {
  return new Fault('unauthenticated', 'vault.token_ended', 'the token has ended and cannot be replaced', {
    hint: 'sign in again',
  });
}

function over(): Fault {
  return new Fault('invalid', 'vault.closed', 'the client was closed and then used');
}
