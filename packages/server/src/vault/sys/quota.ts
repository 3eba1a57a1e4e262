import { recordAt, type Turn } from '#journal';
import { jsonCodec } from '../records.ts';

/** How often one client may ask, on a path or everywhere. */
export interface Quota {
  readonly name: string;
  /** Empty: everything. With an asterisk at its end: everything that begins so; otherwise the path and what is below. */
  readonly path: string;
  /** Requests per interval. */
  readonly rate: number;
  /** Seconds. */
  readonly interval: number;
  /** Seconds for which a client that asked too often is refused everything; 0 is until it has a request again. */
  readonly blockInterval: number;
  readonly inheritable: boolean;
}

export interface QuotaConfig {
  readonly exemptPaths: readonly string[];
  readonly auditRefusals: boolean;
  readonly headers: boolean;
}

/** All quotas in one record: each request needs them together, and they change rarely. */
export interface Quotas {
  readonly quotas: readonly Quota[];
  readonly config: QuotaConfig;
}

const record = recordAt('core/quotas');
const codec = jsonCodec<Quotas>(true);

/** Without these nobody could see that a server is well, or open it. */
export const alwaysExempt: readonly string[] = [
  'sys/generate-root/attempt',
  'sys/generate-root/update',
  'sys/health',
  'sys/seal-status',
  'sys/unseal',
];
const none: Quotas = { quotas: [], config: { exemptPaths: [], auditRefusals: false, headers: false } };

/** The same object while nothing changes. */
export function quotasOf(turn: Turn): Quotas {
  return turn.space('system').read(record, codec) ?? none;
}

export function writeQuotas(turn: Turn, quotas: Quotas): void {
  turn.space('system').write(record, codec, quotas);
}

/** The quota for a path: the one with the longest beginning of it. */
export function quotaFor({ quotas, config }: Quotas, path: string): Quota | undefined {
  if (quotas.length === 0 || alwaysExempt.includes(path)) return undefined;
  if (config.exemptPaths.some((exempt) => covers(exempt, path))) return undefined;
  let best: Quota | undefined;
  for (const quota of quotas) {
    if (covers(quota.path, path) && (best === undefined || quota.path.length > best.path.length))
      best = quota;
  }
  return best;
}

function covers(pattern: string, path: string): boolean {
  if (pattern === '') return true;
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1));
  const bare = pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
  return path === bare || path.startsWith(`${bare}/`);
}
