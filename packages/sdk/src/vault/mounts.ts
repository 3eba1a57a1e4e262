import { isFault } from '@sallyport/formats';
import { plainPath } from './paths.ts';
import type { Session } from './session.ts';

/** Where secrets are kept, and how: `secret/app` in the mount `secret` is `app`. */
export interface KvPlace {
  /** Without a slash at its end. */
  readonly mount: string;
  /** Below the mount; empty for the mount itself. */
  readonly path: string;
  readonly versioned: boolean;
}

export interface Mounts {
  find(path: string): Promise<KvPlace>;
}

/**
 * Finds out which mount a path is in, once for each. As other clients of Vault do, a server that does not tell is taken
 * for one whose secrets have no versions.
 */
export function createMounts(session: Session, known: Readonly<Record<string, 1 | 2>>): Mounts {
  const versions = new Map<string, boolean>();
  for (const [mount, version] of Object.entries(known)) versions.set(plainPath(mount), version === 2);

  const within = (path: string): string | undefined =>
    [...versions.keys()]
      .filter((mount) => path === mount || path.startsWith(`${mount}/`))
      .sort((a, b) => b.length - a.length)[0];

  async function ask(path: string): Promise<string> {
    const answer = await session.send({ method: 'GET', path: `sys/internal/ui/mounts/${path}` });
    const mount = plainPath(answer.text('data', 'path') ?? path.split('/')[0] ?? path);
    versions.set(mount, answer.text('data', 'options', 'version') === '2');
    answer.wipe();
    return mount;
  }

  return {
    async find(text) {
      const path = plainPath(text);
      let mount = within(path);
      if (mount === undefined) {
        try {
          mount = await ask(path);
        } catch (error) {
          if (!isFault(error) || !['denied', 'not_found'].includes(error.kind)) throw error;
          mount = path.split('/')[0] ?? path;
          return { mount, path: path.slice(mount.length + 1), versioned: false };
        }
      }
      return { mount, path: path.slice(mount.length + 1), versioned: versions.get(mount) === true };
    },
  };
}
