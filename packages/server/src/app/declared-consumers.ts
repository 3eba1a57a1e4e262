import type { Release } from '#release';
import type { ServiceUses } from '#vault';

/** Which services the declared definitions of a project give which secrets, for the inventory. */
export function declaredConsumers(release: Pick<Release, 'services'>): ServiceUses {
  return async (project) =>
    (await release.services(project)).flatMap(({ service, definition }) =>
      Object.entries(definition.environments).flatMap(([environment, { secrets = {} }]) =>
        Object.values(secrets).map((ref) => ({ environment, service, path: ref.slice(0, ref.indexOf('#')) })),
      ),
    );
}
