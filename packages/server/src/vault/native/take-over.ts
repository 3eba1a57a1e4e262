import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Journal, Turn } from '#journal';
import type { Audited } from '../audit/audited.ts';
import type { Call } from '../backend.ts';
import type { Core } from '../core.ts';
import { createFields } from '../fields.ts';
import { writeVersion } from '../kv/data.ts';
import { findMetadata, findValue, putMetadata } from '../kv/metadata.ts';
import { scopeOfEnvironment } from '../mounts/mount.ts';
import { ownDoing } from '../own-work.ts';
import { compileAcl } from '../policy/acl.ts';
import { rootPolicy } from '../policy/policy.ts';
import { below, emptyRecord } from '../records.ts';
import { incomingOf } from './ask.ts';
import { nativeCaller } from './caller.ts';
import { environmentMount, makeEnvironmentMount } from './mount.ts';
import type { NativePlace } from './secrets.ts';
import { jsonOfValues } from './text.ts';

/** A secret that was kept elsewhere, with all its versions from 1 on. */
export interface OldSecret extends NativePlace {
  readonly versions: ReadonlyArray<{
    readonly createdAt: Date;
    readonly createdBy: string;
    readonly data: Readonly<Record<string, SecretBytes>>;
  }>;
}

/** How another context hands secrets over that it kept itself until now. */
export interface TakeOver {
  /**
   * Writes the secret once, whatever happens in between: a record says that it was taken. Throws `vault.path_taken`
   * where something else is at its path, and `vault.mount_taken`.
   */
  take(secret: OldSecret): Promise<void>;
  /** Whether every value can be read here as it is in `secret`. */
  holds(secret: OldSecret): Promise<boolean>;
}

const markPath = ({ environment, path }: NativePlace): string => `core/taken-secret/${environment}/${path}`;

export function createTakeOver(deps: {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly audited: Audited;
  readonly core: Core;
}): TakeOver {
  const { journal, audited, core } = deps;

  function write(turn: Turn, secret: OldSecret): void {
    const { environment, path, versions } = secret;
    const mount = makeEnvironmentMount(turn, core, environment);
    const store = below(turn.space(scopeOfEnvironment(environment)), `mount/${mount.id}/`);
    if (findMetadata(store, path) !== undefined) throw pathTaken(secret);
    for (const [index, { createdAt, createdBy, data }] of versions.entries()) {
      const json = jsonOfValues(data);
      const bodyBytes = Buffer.concat([Buffer.from('{"data":'), json, Buffer.from('}')]);
      const body = { data: {} };
      const call: Call = {
        request: incomingOf(core, {
          by: writer(createdBy),
          environment,
          verb: 'update',
          path: `data/${path}`,
          body,
          bodyBytes,
        }),
        verb: 'update',
        path: `data/${path}`,
        params: { path },
        fields: createFields(body),
        mount,
        store,
        turn,
        now: createdAt.getTime(),
        // It may know of every place: values that environments share already are reported, and never refused.
        caller: { ...nativeCaller(turn, writer(createdBy), '*'), acl: compileAcl([rootPolicy]) },
        core,
      };
      const { refusal } = writeVersion(call);
      json.fill(0);
      bodyBytes.fill(0);
      if (refusal !== undefined) throw refusal;
      const metadata = findMetadata(store, path);
      if (index === 0 && metadata !== undefined)
        putMetadata(store, path, { ...metadata, maxVersions: roomFor(versions.length) });
    }
  }

  return {
    async take(secret) {
      await audited((turn) => {
        const space = turn.space('system');
        const { environment, path, versions } = secret;
        if (space.has(markPath(secret))) return { answer: undefined, exchange: undefined };
        write(turn, secret);
        space.put(markPath(secret), emptyRecord());
        const doing = { environment, path, versions: versions.length };
        return { answer: undefined, exchange: ownDoing('sys/secrets/take-over', doing, turn.now) };
      });
    },

    async holds(secret) {
      const { environment, path, versions } = secret;
      await journal.openScope(scopeOfEnvironment(environment));
      return journal.peek((turn) => {
        const mount = environmentMount(turn, environment);
        if (mount === undefined) return false;
        const store = below(turn.space(scopeOfEnvironment(environment)), `mount/${mount.id}/`);
        return versions.every(({ data }, index) => {
          const [found, wanted] = [findValue(store, path, index + 1), jsonOfValues(data)];
          const same = found?.equals(wanted) === true;
          found?.fill(0);
          wanted.fill(0);
          return same;
        });
      });
    },
  };
}

const writer = (id: string) => ({ kind: 'system', id, name: id }) as const;

/** 0 leaves it to the mount. */
const roomFor = (versions: number): number => (versions < 100 ? 0 : 2 * versions);

function pathTaken({ environment, path }: NativePlace): Fault {
  return new Fault(
    'conflict',
    'vault.path_taken',
    `expected nothing at ${environment}/data/${path}, where a secret of before belongs, found one`,
    { hint: 'move or delete the one that is there, then start the server again' },
  );
}
