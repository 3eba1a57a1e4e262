import { type Call, type PathSpec, prepared, type Reply } from '../backend.ts';
import { nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { entityIds } from '../identity/entities.ts';
import { runningBelow } from '../lease/token-leases.ts';
import { apiVersion } from './version.ts';

/** What the server says about itself. */
export const statusPaths: readonly PathSpec[] = [
  { pattern: 'ha-status', synopsis: 'Who answers.', on: { read: haStatus } },
  {
    pattern: 'version-history',
    synopsis: 'Which versions there were.',
    on: { list: versionHistory, read: versionHistory },
  },
  {
    pattern: 'host-info',
    synopsis: 'CPU, memory, disk and name of the machine.',
    sudo: true,
    on: { read: (call) => ({ data: call.core.sys.hostInfo() }) },
  },
  {
    pattern: 'in-flight-req',
    synopsis: 'Requests under way.',
    sudo: true,
    on: { read: (call) => ({ data: call.core.sys.inFlight(), bare: true }) },
  },
  {
    pattern: 'metrics',
    synopsis: 'Numbers about the server, in the format of Prometheus.',
    fields: { format: { type: 'string', doc: 'prometheus, or json.' } },
    on: { read: prepared({ prepare: ({ core }) => core.sys.metrics(), decide: metrics }) },
  },
  {
    pattern: 'replication/status',
    synopsis: 'There is no replication besides that of the database.',
    open: { reason: 'says the same to everybody' },
    on: { read: replication },
  },
  {
    pattern: 'replication/:kind/status',
    synopsis: 'There is no replication besides that of the database.',
    open: { reason: 'says the same to everybody' },
    on: { read: () => ({ data: { mode: 'disabled' } }) },
  },
  { pattern: 'internal/counters/tokens', synopsis: 'How many tokens there are.', on: { read: tokenCount } },
  {
    pattern: 'internal/counters/entities',
    synopsis: 'How many entities there are.',
    on: { read: entityCount },
  },
  {
    pattern: 'internal/counters/requests',
    synopsis: 'Requests are counted by the metrics.',
    on: { read: () => ({ data: { counters: [] } }) },
  },
  {
    pattern: 'internal/counters/activity',
    synopsis: 'Clients are not counted by month here.',
    on: { read: noActivity },
  },
  {
    pattern: 'internal/counters/activity/monthly',
    synopsis: 'Clients are not counted by month here.',
    on: { read: noActivity },
  },
  {
    pattern: 'internal/counters/config',
    synopsis: 'Clients are not counted by month here.',
    on: { read: () => ({ data: { enabled: 'disable', queries_available: false, retention_months: 0 } }) },
  },
  {
    pattern: 'namespaces',
    synopsis: 'There are no namespaces; environments divide an installation.',
    on: { list: none },
  },
  {
    pattern: 'namespaces/:path*',
    synopsis: 'There are no namespaces; environments divide an installation.',
    on: { read: none },
  },
  {
    pattern: 'experiments',
    synopsis: 'There are none.',
    on: { read: () => ({ data: { available: [], enabled: [] } }) },
  },
  { pattern: 'config/state/sanitized', synopsis: 'What the server runs on.', on: { read: configState } },
  {
    pattern: 'plugins/catalog',
    synopsis: 'The engines and login methods that are built in.',
    on: { read: catalog, list: catalog },
  },
  {
    pattern: 'plugins/catalog/:kind',
    synopsis: 'The engines or login methods that are built in.',
    on: { list: catalogOfKind },
  },
  { pattern: 'plugins/catalog/:kind/:name', synopsis: 'What is built in.', on: { read: plugin } },
  { pattern: 'monitor', synopsis: 'The log is not given out here.', on: {} },
  { pattern: 'loggers', synopsis: 'The log is configured where the server is started.', on: {} },
  { pattern: 'loggers/:name', synopsis: 'The log is configured where the server is started.', on: {} },
];

function haStatus({ core }: Call): Reply {
  const { address } = core.sys.facts;
  const node = {
    hostname: '',
    api_address: address,
    cluster_address: '',
    active_node: true,
    last_echo: null,
    version: apiVersion,
  };
  return { data: { nodes: [node] }, flat: true };
}

function versionHistory({ core }: Call): Reply {
  const installed = new Date(core.sys.facts.startedAt).toISOString();
  return {
    data: {
      keys: [apiVersion],
      key_info: { [apiVersion]: { build_date: '', previous_version: null, timestamp_installed: installed } },
    },
  };
}

function replication(): Reply {
  return { data: { mode: 'disabled', dr: { mode: 'disabled' }, performance: { mode: 'disabled' } } };
}

/** Without `format=prometheus` clients expect the other format of Vault, which has a place for each number. */
function metrics(call: Call, text: string): Reply {
  const { query, headers } = call.request;
  const accept = headers['accept'];
  const wanted =
    query['format'] ?? (typeof accept === 'string' && accept.includes('text/plain') ? 'prometheus' : 'json');
  if (wanted === 'prometheus') {
    return { raw: { contentType: 'text/plain; version=0.0.4; charset=utf-8', body: Buffer.from(text) } };
  }
  const gauges = [...text.matchAll(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? (\S+)$/gm)].map(
    ([, name, labels, value]) => ({
      Name: name,
      Value: Number(value),
      Labels: Object.fromEntries(
        [...(labels ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, each]) => [key, each]),
      ),
    }),
  );
  const data: JsonObject = {
    Timestamp: new Date(call.now).toISOString(),
    Gauges: gauges,
    Points: [],
    Counters: [],
    Samples: [],
  };
  return { data, bare: true };
}

function tokenCount(call: Call): Reply {
  const total = [...runningBelow(call.turn, '')].length;
  return { data: { counters: { service_tokens: { total } } } };
}

function entityCount(call: Call): Reply {
  return { data: { counters: { entities: { total: entityIds(call.turn).length } } } };
}

/** Nothing is the honest answer: a number would be taken for a count of clients. */
function noActivity(): Reply {
  return {
    warnings: ['clients are not counted by month; sys/internal/counters/entities has the number of entities'],
  };
}

function none(): never {
  throw nothingHere();
}

function configState({ core }: Call): Reply {
  const { address, storageType, clusterName } = core.sys.facts;
  return { data: { api_addr: address, cluster_name: clusterName, storage: { type: storageType } } };
}

const kinds = { auth: 'auth', secret: 'secret', database: 'database' } as const;

function namesOf({ core }: Call, kind: string): readonly string[] {
  if (kind !== kinds.auth && kind !== kinds.secret) return [];
  return [...core.backends[kind].keys()].sort();
}

function catalog(call: Call): Reply {
  const auth = namesOf(call, kinds.auth);
  const secret = namesOf(call, kinds.secret);
  const detailed = [
    ...auth.map((name) => describe(kinds.auth, name)),
    ...secret.map((name) => describe(kinds.secret, name)),
  ];
  return { data: { auth, secret, database: [], detailed } };
}

function catalogOfKind(call: Call): Reply {
  const keys = namesOf(call, call.params['kind'] ?? '');
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function plugin(call: Call): Reply {
  const kind = call.params['kind'] ?? '';
  const name = call.params['name'] ?? '';
  if (!namesOf(call, kind).includes(name)) throw nothingHere();
  return { data: { ...describe(kind, name), args: null, command: '', sha256: '' } };
}

function describe(kind: string, name: string): JsonObject {
  return { type: kind, name, version: '', builtin: true, deprecation_status: 'supported' };
}
