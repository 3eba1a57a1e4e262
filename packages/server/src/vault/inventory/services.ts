import type { Mount } from '../mounts/mount.ts';

/** That a definition of a repository gives a secret of an environment to a service. */
export interface ServiceUse {
  /** The environment's name, without its project. */
  readonly environment: string;
  readonly path: string;
  readonly service: string;
}

/** What the definitions of a project say at this moment; asked each time somebody asks for the inventory. */
export type ServiceUses = (project: string) => Promise<readonly ServiceUse[]>;

export interface Services {
  /** Names of services, each once. */
  of(mount: Mount, path: string): readonly string[];
}

const none: readonly string[] = [];

export async function servicesOf(uses: ServiceUses, environments: readonly string[]): Promise<Services> {
  const names = new Map<string, Set<string>>();
  const projects = new Set(environments.map((each) => each.slice(0, each.indexOf('/'))));
  for (const project of projects) {
    for (const { environment, path, service } of await uses(project)) {
      // Definitions mean the mount of the environment, which is named after it.
      const secret = `${project}/${environment}/${path}`;
      names.set(secret, (names.get(secret) ?? new Set()).add(service));
    }
  }
  return {
    of(mount, path) {
      if (mount.path !== `${mount.environment}/`) return none;
      const found = names.get(mount.path + path);
      return found === undefined ? none : [...found];
    },
  };
}
