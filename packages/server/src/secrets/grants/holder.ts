import { Fault } from '@sallyport/formats';
import type { Actor } from '#platform';

type NativeReader = Pick<Actor, 'kind' | 'id' | 'name'>;

/** Secrets of steps live here, apart from every environment that something is deployed to. */
export const buildEnvironment = 'build';

const name = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const stepHolder = new RegExp(`^step:[A-Za-z0-9_-]{1,60}/[1-9][0-9]{0,8}/${name}$`);
const deploymentHolder = new RegExp(`^deployment:(${name})/(${name})/${name}/[1-9][0-9]{0,8}$`);

/**
 * Who holds a grant decides which environment it may reach into: a step the `build` environment only, a deployment its
 * own only. So a grant for production can be made out to nothing but a deployment to production.
 */
export function checkHolder(holder: string, project: string, environment: string): void {
  if (stepHolder.test(holder)) {
    if (environment !== buildEnvironment) throw crossing(holder, project, environment);
    return;
  }
  const deployment = deploymentHolder.exec(holder);
  if (deployment === null)
    throw new Fault(
      'invalid',
      'secrets.holder_invalid',
      `expected "step:<run>/<attempt>/<step>" or "deployment:<project>/<environment>/<service>/<revision>", got "${holder.slice(0, 150)}"`,
    );
  if (deployment[1] !== project || deployment[2] !== environment)
    throw crossing(holder, project, environment);
}

/** How audit and inventory call whoever reads for a holder: without what is another one each time. */
export function readerOf(holder: string): NativeReader {
  const deployment = deploymentHolder.test(holder);
  const name = deployment
    ? holder.slice(0, holder.lastIndexOf('/'))
    : `step:${holder.slice(holder.lastIndexOf('/') + 1)}`;
  return { kind: 'system', id: holder, name };
}

function crossing(holder: string, project: string, environment: string): Fault {
  return new Fault(
    'denied',
    'secrets.environment_crossed',
    `${holder} cannot hold secrets of ${project}/${environment}`,
  );
}
