import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { mountsOf } from '../mounts/table.ts';
import { alwaysExempt, type Quota, quotasOf, writeQuotas } from './quota.ts';

const maxQuotas = 1000;

export const quotaPaths: readonly PathSpec[] = [
  {
    pattern: 'quotas/config',
    synopsis: 'What no quota holds for.',
    fields: {
      rate_limit_exempt_paths: { type: 'list', doc: 'Paths without quota.' },
      enable_rate_limit_audit_logging: { type: 'boolean', doc: 'Whether refusals are audited.' },
      enable_rate_limit_response_headers: { type: 'boolean', doc: 'Whether answers tell what is left.' },
    },
    on: { read: readConfig, update: writeConfig },
  },
  {
    pattern: 'quotas/rate-limit',
    synopsis: 'List the names of all rate limits.',
    on: { list },
  },
  {
    pattern: 'quotas/rate-limit/:name',
    synopsis: 'Limit how often one client may ask. Each replica counts for itself.',
    fields: {
      path: { type: 'string', doc: 'Where; empty for everywhere, with * at its end for all that begins so.' },
      rate: { type: 'string', doc: 'Requests per interval and client.' },
      interval: { type: 'duration', doc: 'One second when absent.' },
      block_interval: { type: 'duration', doc: 'How long a client is refused that asked too often.' },
    },
    on: { read, update, delete: remove },
  },
];

function list(call: Call): Reply {
  const keys = quotasOf(call.turn)
    .quotas.map((quota) => quota.name)
    .sort();
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function read(call: Call): Reply {
  const quota = quotasOf(call.turn).quotas.find((each) => each.name === call.params['name']);
  if (quota === undefined) throw nothingHere();
  return { data: describe(quota) };
}

function describe({ name, path, rate, interval, blockInterval, inheritable }: Quota): JsonObject {
  return {
    type: 'rate-limit',
    name,
    path,
    role: '',
    rate,
    interval,
    block_interval: blockInterval,
    inheritable,
  };
}

function update(call: Call): Reply {
  const { fields, turn } = call;
  const name = call.params['name'] ?? '';
  const all = quotasOf(turn);
  const rate = Number(fields.text('rate') || '0');
  if (!Number.isFinite(rate) || rate <= 0) throw badRequest("'rate' is invalid");
  if (fields.text('role') !== '') throw badRequest('expected no role: quotas of roles are not supported');
  const path = pathOf(call);
  const other = all.quotas.find((each) => each.path === path && each.name !== name);
  if (other !== undefined)
    throw badRequest(`quota rule with similar properties exists under the name "${other.name}"`);
  const others = all.quotas.filter((each) => each.name !== name);
  if (others.length >= maxQuotas) throw badRequest(`expected at most ${maxQuotas} quotas`);
  const quota: Quota = {
    name,
    path,
    rate,
    interval: fields.seconds('interval', 0) || 1,
    blockInterval: fields.seconds('block_interval', 0),
    inheritable: fields.boolean('inheritable', path === ''),
  };
  writeQuotas(turn, { ...all, quotas: [...others, quota] });
  return {};
}

/** As it is written, when something is mounted there: a quota for nothing is a mistake. */
function pathOf(call: Call): string {
  const path = call.fields.text('path').replace(/^\/+/, '');
  if (path === '') return '';
  if (path.length > 512) throw badRequest('expected a path of at most 512 characters');
  const bare = path.replace(/\*$/, '').replace(/\/+$/, '');
  if (bare === '' || mountsOf(call.turn).find(bare) === undefined) {
    throw badRequest(`invalid mount path ${JSON.stringify(`${bare}/`.slice(0, 80))}`);
  }
  return path;
}

function remove(call: Call): Reply {
  const all = quotasOf(call.turn);
  writeQuotas(call.turn, { ...all, quotas: all.quotas.filter((each) => each.name !== call.params['name']) });
  return {};
}

function readConfig(call: Call): Reply {
  const { config } = quotasOf(call.turn);
  return {
    data: {
      absolute_rate_limit_exempt_paths: [],
      enable_rate_limit_audit_logging: config.auditRefusals,
      enable_rate_limit_response_headers: config.headers,
      rate_limit_exempt_paths: [...alwaysExempt, ...config.exemptPaths],
    },
  };
}

function writeConfig(call: Call): Reply {
  const { fields, turn } = call;
  const all = quotasOf(turn);
  const exempt = fields.findList('rate_limit_exempt_paths') ?? all.config.exemptPaths;
  writeQuotas(turn, {
    ...all,
    config: {
      exemptPaths: exempt.filter((path) => !alwaysExempt.includes(path)),
      auditRefusals: fields.boolean('enable_rate_limit_audit_logging', all.config.auditRefusals),
      headers: fields.boolean('enable_rate_limit_response_headers', all.config.headers),
    },
  });
  return {};
}
