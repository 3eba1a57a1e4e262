import type { DesiredState } from '@sallyport/contract';
import { type Digest, Fault, parseDigest } from '@sallyport/formats';
import { type Log, type Sandbox, sandboxId } from '../sandbox/index.ts';
import { createFront, type Front } from './instance/front.ts';
import { type Instance, startInstance } from './instance/instance.ts';
import type { Release, Releases } from './release/releases.ts';
import type { HeldSecret } from './target.ts';
import type { Accepted } from './verify.ts';

/** What a service needs from the rest of the agent. */
export interface Outside {
  /** The values of a revision's secrets, from the server; kept in memory only. */
  secrets(desired: DesiredState): Promise<readonly HeldSecret[]>;
  /** A way out to these hosts and ports, and no others. Absent: a service that asks for egress is refused. */
  openProxy?(
    id: string,
    allow: readonly string[],
  ): Promise<{ readonly socket: string; close(): Promise<void> }>;
  /** What instances print, secrets masked. */
  output?(desired: DesiredState, chunk: Uint8Array): void;
}

/** The instance that takes connections. */
export interface Live {
  readonly accepted: Accepted;
  readonly instance: Instance;
  readonly release: Release;
  readonly proxy: { close(): Promise<void> } | undefined;
}

/** The port of a service and what is behind it. */
export interface Serving {
  live(): Live | undefined;
  /**
   * Starts `accepted` on bytes found to be right just now, waits until it is healthy, sends new connections to it, and
   * lets the old one finish. On any failure the old one stays as it is. `fresh` takes the bytes from the registry.
   */
  moveTo(accepted: Accepted, options: { readonly record?: Digest; readonly fresh?: boolean }): Promise<Live>;
  /** The live instance is not to run any more: its connections are cut and the port is given back. */
  withdraw(): Promise<void>;
  /** The live instance ended: connections wait for the next. */
  lose(): Promise<void>;
  /** Whether the port is ours; tries to get it. True while there is nothing to serve. */
  holdPort(): Promise<boolean>;
  readonly hasPort: () => boolean;
  stop(): Promise<void>;
}

export interface ServingDeps {
  readonly sandbox: Sandbox;
  readonly releases: Releases;
  readonly outside: Outside;
  readonly log: Log;
}

const graceSeconds = 10;
const drainSeconds = 30;

export function createServing({ sandbox, releases, outside, log }: ServingDeps): Serving {
  const secretsOf = new Map<number, readonly HeldSecret[]>();
  let live: Live | undefined;
  let front: Front | undefined;
  let last: Release | undefined;
  let retirements = 0;
  let retiring: Promise<unknown> = Promise.resolve();

  /** A release whose every file was just found to be right: in use, from disk, or else from the registry. */
  async function sound(desired: DesiredState, record: Digest | undefined, fresh: boolean): Promise<Release> {
    const digest = parseDigest(desired.digest);
    if (!fresh && last?.digest === digest) {
      if ((await last.inspector.inspect(Number.POSITIVE_INFINITY)).length === 0) return last;
    } else if (!fresh && record !== undefined) {
      const left = await releases.open(digest, record);
      if (left !== undefined) return left;
    }
    return await releases.fetch(desired.ociRepository, digest);
  }

  async function heldSecrets({ desired, target }: Accepted): Promise<readonly HeldSecret[]> {
    if (target.secretNames.length === 0) return [];
    const held = secretsOf.get(desired.revision) ?? (await outside.secrets(desired));
    const missing = target.secretNames.filter((name) => !held.some((each) => each.name === name));
    if (missing.length > 0) {
      throw new Fault(
        'precondition',
        'deploy.secrets',
        `expected the secrets ${missing.join(', ')}, got none of that name`,
      );
    }
    secretsOf.set(desired.revision, held);
    return held;
  }

  async function openProxy(id: string, allow: readonly string[]) {
    if (allow.length === 0) return undefined;
    if (outside.openProxy === undefined) {
      throw new Fault(
        'precondition',
        'deploy.egress',
        'the service asks for egress, and this agent has no proxy',
      );
    }
    return await outside.openProxy(id, allow);
  }

  async function start(accepted: Accepted, release: Release): Promise<Live> {
    const { desired, target } = accepted;
    const secrets = await heldSecrets(accepted);
    const id = sandboxId('svc');
    const proxy = await openProxy(id, target.egress);
    let instance: Instance | undefined;
    try {
      instance = await startInstance(sandbox, {
        id,
        release,
        target,
        secrets,
        ...(proxy === undefined ? {} : { proxySocket: proxy.socket }),
        onOutput: (chunk) => outside.output?.(desired, chunk),
      });
      await instance.becomeHealthy();
      return { accepted, instance, release, proxy };
    } catch (error) {
      await instance?.stop(0);
      await proxy?.close();
      throw error;
    }
  }

  async function retire(old: Live, drained: Front | undefined, closing: Front | undefined): Promise<void> {
    if (!old.instance.hasEnded()) await drained?.drain(old.instance, drainSeconds);
    await closing?.close();
    await old.instance.stop(graceSeconds);
    await old.proxy?.close();
    const { revision } = old.accepted.desired;
    if (revision !== live?.accepted.desired.revision) wipe(revision);
  }

  async function retireAndSweep(
    old: Live,
    drained: Front | undefined,
    closing: Front | undefined,
  ): Promise<void> {
    retirements += 1;
    try {
      await retire(old, drained, closing);
    } catch (error) {
      log.error({ error: String(error) }, 'an old instance could not be retired');
    }
    retirements -= 1;
    // Directories of the ended ones may go, once nobody is left who could read from them.
    if (retirements === 0 && last !== undefined) await releases.keepOnly([last.digest]);
  }

  function wipe(revision: number): void {
    for (const { value } of secretsOf.get(revision) ?? []) value.wipe();
    secretsOf.delete(revision);
  }

  return {
    live: () => live,
    async moveTo(accepted, { record, fresh = false }) {
      const release = await sound(accepted.desired, record, fresh);
      const next = await start(accepted, release);
      const old = live;
      const oldFront = front;
      const nextFront = front?.port === accepted.target.port ? front : createFront(accepted.target.port);
      nextFront.pointTo(next.instance);
      // Opened before it counts as live: a report made in between would call the service unreachable.
      await nextFront.open();
      front = nextFront;
      live = next;
      last = release;
      const closing = oldFront === front ? undefined : oldFront;
      if (old === undefined) {
        await closing?.close();
        return next;
      }
      // Not awaited: long connections may take their time while the new instance serves. `stop` waits for it.
      retiring = Promise.allSettled([retiring, retireAndSweep(old, oldFront, closing)]);
      return next;
    },
    async withdraw() {
      const gone = live;
      live = undefined;
      await front?.close();
      front = undefined;
      await retiring;
      // No grace: it may be hostile, and would have it to do harm.
      await gone?.instance.stop(0);
      await gone?.proxy?.close();
      for (const revision of [...secretsOf.keys()]) wipe(revision);
    },
    async lose() {
      front?.pointTo(undefined);
      const lost = live;
      live = undefined;
      await lost?.proxy?.close();
    },
    async holdPort() {
      return front === undefined || (await front.open());
    },
    hasPort: () => front?.isOpen() === true,
    async stop() {
      const current = live;
      live = undefined;
      if (current !== undefined) await front?.drain(current.instance, 1);
      await front?.close();
      await retiring;
      await current?.instance.stop(graceSeconds);
      await current?.proxy?.close();
      for (const revision of [...secretsOf.keys()]) wipe(revision);
    },
  };
}
