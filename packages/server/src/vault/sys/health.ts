import type { KeyringStatus } from '#keyring';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import type { ServerFacts } from './ports.ts';
import { apiVersion } from './version.ts';

/**
 * `sys/health` for load balancers: 200 when it answers, 501 before the first start, 503 while sealed; which number
 * stands for what can be chosen in the query. Replicas are equal, so there is no standby; its parameters are read all
 * the same, because a wrong one is an error.
 */
export function healthOf(
  status: Pick<KeyringStatus, 'initialised' | 'sealed'>,
  facts: ServerFacts,
  query: Readonly<Record<string, string>>,
  now: number,
): { readonly status: number; readonly body: JsonObject } {
  const active = codeOf(query, 'activecode', 200);
  const sealed = codeOf(query, 'sealedcode', 503);
  const uninitialised = codeOf(query, 'uninitcode', 501);
  for (const unused of ['standbycode', 'drsecondarycode', 'performancestandbycode'])
    codeOf(query, unused, 429);
  return {
    status: !status.initialised ? uninitialised : status.sealed ? sealed : active,
    body: {
      initialized: status.initialised,
      sealed: status.sealed,
      standby: false,
      performance_standby: false,
      replication_performance_mode: 'disabled',
      replication_dr_mode: 'disabled',
      server_time_utc: Math.floor(now / 1000),
      version: apiVersion,
      sallyport_version: facts.version,
      enterprise: false,
      ...(status.sealed ? {} : { cluster_name: facts.clusterName, cluster_id: facts.clusterId }),
      echo_duration_ms: 0,
      clock_skew_ms: 0,
    },
  };
}

/** Only what is an answer: 1xx would leave the client waiting for one. */
function codeOf(query: Readonly<Record<string, string>>, name: string, absent: number): number {
  const text = Object.hasOwn(query, name) ? query[name] : undefined;
  if (text === undefined || text === '') return absent;
  if (!/^[2-5][0-9]{2}$/.test(text)) {
    throw badRequest(
      `expected ${name} to be a status from 200 to 599, got ${JSON.stringify(text.slice(0, 20))}`,
    );
  }
  return Number(text);
}
