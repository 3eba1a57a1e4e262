import {
  EnvironmentChange,
  EnvironmentName,
  EnvironmentView,
  FindingsView,
  InventoryPage,
  InventoryQuery,
  ParityView,
  PromoteConfigBody,
  PromoteConfigView,
} from '@sallyport/contract';
import { Fault, isFault } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Actor, Authorize, Routes } from '#platform';
import type { Environments } from '../environments/environments.ts';
import type { Environment } from '../environments/settings.ts';
import type { Inventory, RowPlace } from './inventory.ts';
import { viewEnvironment, viewRow } from './view.ts';

export interface InventoryRoutesDeps {
  readonly environments: Environments;
  readonly inventory: Inventory;
  readonly authorize: Authorize;
}

const closed = { additionalProperties: false } as const;
const Place = Type.Object({ project: EnvironmentName, environment: EnvironmentName }, closed);
const Project = Type.Object({ project: EnvironmentName }, closed);
/** Everything is walked through, in portions between which other requests have their turn. */
const walkSeconds = 300;
const defaultLimit = 500;
const maxFindings = 1000;

const settingsPath = ({ project, environment }: { project: string; environment: string }): string =>
  `environments/${project}/${environment}`;
const inventoryPath = (project: string, environment: string): string => `inventory/${project}/${environment}`;
const shown = {
  kind: 'authenticated',
  reason: 'shows only the environments that policies of the caller name',
} as const;

/** `/api/environments` and `/api/inventory`: settings of environments, and what is known of secrets beside their values. */
export function inventoryRoutes(deps: InventoryRoutesDeps): Routes {
  return (http) => {
    environmentRoutes(deps)(http);
    secretRoutes(deps)(http);
  };
}

function environmentRoutes({ environments, authorize }: InventoryRoutesDeps): Routes {
  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/environments',
      summary: 'The environments of projects in their order, with their settings',
      access: shown,
      query: Type.Object({ project: Type.Optional(EnvironmentName) }, closed),
      response: Type.Object({ environments: Type.Array(EnvironmentView) }, closed),
      handle: async ({ actor, query }) => {
        const may = ({ project, name }: Environment) =>
          allows(authorize, actor, 'read', settingsPath({ project, environment: name }));
        return { environments: (await only(environments.list(query.project), may)).map(viewEnvironment) };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/environments/:project/:environment',
      summary: 'One environment',
      access: { kind: 'allowed', capability: 'read', path: settingsPath },
      params: Place,
      response: EnvironmentView,
      handle: async ({ params }) => viewEnvironment(find(environments, params)),
    });
    http.route({
      method: 'PATCH',
      path: '/api/environments/:project/:environment',
      summary: 'Changes settings of an environment, or sets one up; absent fields stay',
      access: { kind: 'allowed', capability: 'update', path: settingsPath },
      params: Place,
      body: EnvironmentChange,
      response: EnvironmentView,
      handle: async ({ actor, params, body }) => {
        await environments.change(actor, `${params.project}/${params.environment}`, body);
        return viewEnvironment(find(environments, params));
      },
    });
    http.route({
      method: 'POST',
      path: '/api/environments/:project/:environment/promote-config',
      summary:
        'Copies from another environment which secrets must exist, with which names in them; never a value',
      access: { kind: 'allowed', capability: 'update', path: settingsPath },
      params: Place,
      body: PromoteConfigBody,
      response: PromoteConfigView,
      timeoutSeconds: walkSeconds,
      handle: async ({ actor, params: { project, environment }, body: { from } }) => {
        await authorize(actor, 'list', inventoryPath(project, from));
        find(environments, { project, environment: from });
        if (from === environment)
          throw new Fault('invalid', 'vault.same_environment', `expected another environment than ${from}`);
        const { leftOut, unpaired, ...counts } = await environments.promote(actor, {
          project,
          from,
          to: environment,
        });
        return {
          ...counts,
          leftOut: leftOut.map(({ what, ...at }) => ({ ...at, what: [...what] })),
          unpaired: [...unpaired],
        };
      },
    });
  };
}

function secretRoutes({ environments, inventory, authorize }: InventoryRoutesDeps): Routes {
  const may =
    (actor: Actor) =>
    ({ project, name }: Environment): Promise<boolean> =>
      allows(authorize, actor, 'list', inventoryPath(project, name));

  /** `project/name` of those that the caller may see. Refuses whoever may see none. */
  async function seen(actor: Actor, project?: string, environment?: string): Promise<readonly string[]> {
    const asked = environments
      .list(project)
      .filter(({ name }) => environment === undefined || name === environment);
    const found = await only(asked, may(actor));
    if (found.length === 0)
      await authorize(actor, 'list', inventoryPath(project ?? 'any', environment ?? 'any'));
    return found.map(({ project, name }) => `${project}/${name}`);
  }

  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/inventory/secrets',
      summary: 'Secrets with owner, rotation, expiry, consumers and who read them; no values',
      access: shown,
      query: InventoryQuery,
      response: InventoryPage,
      timeoutSeconds: walkSeconds,
      handle: async ({ actor, query }) => {
        const { project, environment, limit = defaultLimit, after, ...filter } = query;
        const { rows, next } = await inventory.list(actor, {
          environments: await seen(actor, project, environment),
          filter,
          limit,
          ...(after === undefined ? {} : { after: readPlace(after) }),
        });
        return { secrets: rows.map(viewRow), ...(next === undefined ? {} : { next: writePlace(next) }) };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/inventory/findings',
      summary: 'What should not be as it is, the gravest first, each with what to do about it',
      access: shown,
      query: Type.Object(
        { project: Type.Optional(EnvironmentName), environment: Type.Optional(EnvironmentName) },
        closed,
      ),
      response: FindingsView,
      timeoutSeconds: walkSeconds,
      handle: async ({ actor, query: { project, environment } }) => {
        const tokens =
          project === undefined &&
          environment === undefined &&
          (await allows(authorize, actor, 'list', 'inventory/tokens'));
        const { findings, counts } = await inventory.findings(actor, {
          environments: await seen(actor, project, environment),
          tokens,
          limit: maxFindings,
        });
        return { findings: [...findings], counts };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/inventory/parity/:project',
      summary: 'What each environment has less and more than the one before it, or than another',
      access: shown,
      params: Project,
      query: Type.Object({ against: Type.Optional(EnvironmentName) }, closed),
      response: Type.Object({ parity: Type.Array(ParityView) }, closed),
      timeoutSeconds: walkSeconds,
      handle: async ({ actor, params: { project }, query: { against } }) => {
        if (against !== undefined) find(environments, { project, environment: against });
        const names = (await seen(actor, project)).map((each) => each.slice(project.length + 1));
        const parity = await environments.parity(actor, {
          project,
          names,
          ...(against === undefined ? {} : { against }),
        });
        return {
          parity: parity.map((each) => ({
            ...each,
            lacks: each.lacks.map((one) => ({ ...one, keys: [...one.keys] })),
            more: each.more.map((one) => ({ ...one, keys: [...one.keys] })),
            unpaired: [...each.unpaired],
          })),
        };
      },
    });
  };
}

async function allows(
  authorize: Authorize,
  actor: Actor,
  capability: 'read' | 'list',
  path: string,
): Promise<boolean> {
  try {
    await authorize(actor, capability, path);
    return true;
  } catch (error) {
    if (isFault(error) && error.kind === 'denied') return false;
    throw error;
  }
}

async function only(
  all: readonly Environment[],
  may: (environment: Environment) => Promise<boolean>,
): Promise<readonly Environment[]> {
  const allowed: Environment[] = [];
  for (const each of all) if (await may(each)) allowed.push(each);
  return allowed;
}

function find(
  environments: Environments,
  { project, environment }: { readonly project: string; readonly environment: string },
): Environment {
  const found = environments.list(project).find(({ name }) => name === environment);
  if (found !== undefined) return found;
  throw new Fault('not_found', 'vault.no_environment', `there is no environment ${project}/${environment}`, {
    hint: 'sally env list shows them; a mount or sally env set makes one',
  });
}

/** Opaque to clients, and checked when it comes back. */
function writePlace({ mount, path }: RowPlace): string {
  return Buffer.from(JSON.stringify([mount, path])).toString('base64url');
}

function readPlace(text: string): RowPlace {
  try {
    const place: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (Array.isArray(place) && place.length === 2) {
      const [mount, path]: readonly unknown[] = place;
      if (typeof mount === 'string' && typeof path === 'string') return { mount, path };
    }
  } catch {
    // Told below.
  }
  throw new Fault(
    'invalid',
    'vault.place',
    'expected `next` of the answer before as `after`, got another text',
  );
}
