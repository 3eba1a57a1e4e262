import type {
  EnvironmentChange,
  EnvironmentView,
  FindingsView,
  InventoryPage,
  ParityView,
  PromoteConfigView,
} from '@sallyport/contract';
import { path, type Transport } from './transport.ts';

/** Conditions for secrets; every one that is given has to hold. */
export interface InventoryFilter {
  readonly project?: string;
  readonly environment?: string;
  readonly unowned?: true;
  readonly unusedDays?: number;
  readonly overdue?: true;
  /** Used by more than so many. */
  readonly shared?: number;
  readonly expiringDays?: number;
  readonly unknownReader?: true;
  /** With a value that another environment has. */
  readonly elsewhere?: true;
}

export interface EnvironmentsClient {
  /** In their order, those that the token may see. */
  list(project?: string): Promise<readonly EnvironmentView[]>;
  get(project: string, environment: string): Promise<EnvironmentView>;
  /** Absent fields stay. */
  change(project: string, environment: string, change: EnvironmentChange): Promise<EnvironmentView>;
  /** Copies which secrets must exist, never values. */
  promoteConfig(project: string, from: string, to: string): Promise<PromoteConfigView>;
  /** Each environment against the one before it, or all against one. */
  parity(project: string, against?: string): Promise<readonly ParityView[]>;
}

export interface InventoryClient {
  /** One part; `after` is `next` of the part before. */
  secrets(filter?: InventoryFilter, after?: string): Promise<InventoryPage>;
  findings(where?: Pick<InventoryFilter, 'project' | 'environment'>): Promise<FindingsView>;
}

/** The server walks through everything. */
const timeoutMs = 310_000;

export function createEnvironmentsClient({ json }: Transport): EnvironmentsClient {
  return {
    list: async (project) =>
      (await json<{ environments: EnvironmentView[] }>('GET', '/api/environments', { query: { project } }))
        .environments,
    get: (project, environment) => json('GET', path`/api/environments/${project}/${environment}`),
    change: (project, environment, body) =>
      json('PATCH', path`/api/environments/${project}/${environment}`, { body }),
    promoteConfig: (project, from, to) =>
      json('POST', path`/api/environments/${project}/${to}/promote-config`, { body: { from }, timeoutMs }),
    parity: async (project, against) =>
      (
        await json<{ parity: ParityView[] }>('GET', path`/api/inventory/parity/${project}`, {
          query: { against },
          timeoutMs,
        })
      ).parity,
  };
}

export function createInventoryClient({ json }: Transport): InventoryClient {
  return {
    secrets: (filter = {}, after) =>
      json('GET', '/api/inventory/secrets', { query: { ...filter, after }, timeoutMs }),
    findings: (where = {}) => json('GET', '/api/inventory/findings', { query: { ...where }, timeoutMs }),
  };
}
