import type { EgressRecord } from '@sallyport/contract';
import { type LockedPackage, npmPurl, parseIntegrity, toHex } from '@sallyport/formats';
import type { Finding } from './finding.ts';

/** One package version of the lock file, however often it is unpacked, and what became of it. */
export interface Examined {
  readonly purl: string;
  readonly name: string;
  readonly version: string;
  /** The strongest hash known: what was fetched, else what the lock file says. */
  readonly sha512: string | undefined;
  readonly paths: readonly string[];
  readonly fetched: boolean;
  readonly verified: boolean;
  /** In the lock file, or only ever seen on the wire. */
  readonly locked: boolean;
  readonly dev: boolean;
  readonly optional: boolean;
  readonly bundled: boolean;
}

export interface Comparison {
  readonly packages: readonly Examined[];
  readonly findings: readonly Finding[];
  readonly counts: Counts;
}

export interface Counts {
  readonly locked: number;
  readonly fetched: number;
  readonly verified: number;
  readonly mismatches: number;
  readonly notInLock: number;
  readonly notFetched: number;
  readonly tooYoung: number;
  readonly denied: number;
}

interface Fetch {
  readonly record: EgressRecord;
  readonly name: string;
  readonly version: string;
}

/**
 * Compares what the lock file promises with what really came through the mirror. Neither is believed alone: a lock
 * file can be bypassed by a step, and a mirror can only say what it saw.
 */
export function compare(lock: readonly LockedPackage[], egress: readonly EgressRecord[]): Comparison {
  const findings: Finding[] = [];
  const locked = groupLocked(lock);
  const fetches = egress.flatMap((record): Fetch[] => {
    const { kind, name, version } = record;
    if (kind !== 'npm-tarball' || name === undefined || version === undefined) return [];
    return [{ record, name, version }];
  });
  const allowed = groupFetches(fetches.filter(({ record }) => record.decision === 'allowed'));
  const packages = new Map<string, Examined>();
  for (const [key, copies] of locked) packages.set(key, examineLocked(copies, allowed.get(key), findings));
  for (const [key, copies] of allowed) {
    if (!packages.has(key)) packages.set(key, examineUnlocked(copies, findings));
  }
  reportRefusals(fetches, egress, findings);
  const all = [...packages.values()].sort((a, b) => compareText(a.purl, b.purl));
  const tally = (kind: Finding['kind']) =>
    new Set(findings.filter((each) => each.kind === kind).map((each) => each.subject)).size;
  return {
    packages: all,
    findings,
    counts: {
      locked: locked.size,
      fetched: all.filter((each) => each.fetched).length,
      verified: all.filter((each) => each.fetched && each.verified).length,
      mismatches: tally('mismatch'),
      notInLock: tally('not-in-lock'),
      notFetched: tally('not-fetched'),
      tooYoung: tally('too-young'),
      denied: egress.filter((record) => record.decision === 'denied').length,
    },
  };
}

const keyOf = (name: string, version: string) => `${name}@${version}`;

function groupLocked(lock: readonly LockedPackage[]): Map<string, LockedPackage[]> {
  const groups = new Map<string, LockedPackage[]>();
  for (const each of lock) {
    const key = keyOf(each.name, each.version);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return groups;
}

function groupFetches(fetches: readonly Fetch[]): Map<string, Fetch[]> {
  const groups = new Map<string, Fetch[]>();
  for (const fetch of fetches) {
    const key = keyOf(fetch.name, fetch.version);
    groups.set(key, [...(groups.get(key) ?? []), fetch]);
  }
  return groups;
}

function examineLocked(
  copies: readonly LockedPackage[],
  fetches: readonly Fetch[] | undefined,
  findings: Finding[],
): Examined {
  // A group is never empty.
  const first = copies[0] as LockedPackage;
  const purl = npmPurl(first.name, first.version);
  const wanted = copies.map((copy) => lockedHash(copy)).find((hash) => hash !== undefined);
  const bundled = copies.every((copy) => copy.bundled);
  const dev = copies.every((copy) => copy.dev);
  const optional = copies.every((copy) => copy.optional);
  reportLocked(copies, purl, bundled, findings);
  const hashes = new Set((fetches ?? []).flatMap(({ record }) => record.sha512 ?? []));
  const differs = [...hashes].some((hash) => wanted !== undefined && hash !== wanted) || hashes.size > 1;
  const claimed = (fetches ?? []).some(({ record }) => record.lock === 'mismatch');
  if (differs || claimed) {
    findings.push({
      kind: 'mismatch',
      severity: 'high',
      subject: purl,
      message: `expected sha512 ${wanted ?? 'of one tarball'}, fetched ${[...hashes].sort().join(' and ') || 'another'}`,
    });
  }
  if (fetches === undefined && !bundled && !optional) {
    findings.push({
      kind: 'not-fetched',
      severity: dev ? 'low' : 'medium',
      subject: purl,
      message: 'in the lock file, but it never came through the mirror',
    });
  }
  const scripts = copies.some((copy) => copy.hasInstallScript);
  if (scripts || (fetches ?? []).some(({ record }) => record.hasInstallScript === true)) {
    findings.push({
      kind: 'install-script',
      severity: 'low',
      subject: purl,
      message: 'has an install script, which runs only where a step allows it',
    });
  }
  return {
    purl,
    name: first.name,
    version: first.version,
    sha512: [...hashes].sort()[0] ?? wanted,
    paths: copies.map((copy) => copy.path).sort(),
    fetched: fetches !== undefined,
    verified: fetches !== undefined && wanted !== undefined && hashes.size === 1 && !differs && !claimed,
    locked: true,
    dev,
    optional,
    bundled,
  };
}

/** The sha512 that the lock file states, in hex; undefined when it states none that identifies bytes. */
function lockedHash(copy: LockedPackage): string | undefined {
  if (copy.integrity === undefined) return undefined;
  try {
    const { algorithm, hash } = parseIntegrity(copy.integrity);
    return algorithm === 'sha512' ? toHex(hash) : undefined;
  } catch {
    // Reported as a finding below: an unreadable hash is as good as none.
    return undefined;
  }
}

function reportLocked(
  copies: readonly LockedPackage[],
  purl: string,
  bundled: boolean,
  findings: Finding[],
): void {
  if (!bundled && copies.some((copy) => !copy.bundled && lockedHash(copy) === undefined)) {
    const weak = copies.find((copy) => copy.integrity !== undefined)?.integrity;
    findings.push({
      kind: 'without-integrity',
      severity: 'high',
      subject: purl,
      message: `expected a sha512 hash in the lock file, found ${weak === undefined ? 'none' : weak.slice(0, 60)}`,
    });
  }
  const hashes = new Set(copies.flatMap((copy) => lockedHash(copy) ?? []));
  if (hashes.size > 1) {
    findings.push({
      kind: 'mismatch',
      severity: 'high',
      subject: purl,
      message: 'the lock file states different hashes for the same version',
    });
  }
  const elsewhere = copies.find((copy) => copy.resolved !== undefined && !/^https?:/.test(copy.resolved));
  if (elsewhere?.resolved !== undefined) {
    findings.push({
      kind: 'unpinned',
      severity: 'high',
      subject: purl,
      message: `expected a package of a registry, found ${elsewhere.resolved.slice(0, 100)}`,
    });
  }
}

function examineUnlocked(fetches: readonly Fetch[], findings: Finding[]): Examined {
  const first = fetches[0] as Fetch;
  const purl = npmPurl(first.name, first.version);
  // A tool or runtime of the definition: its hash stands there, and the mirror compared it.
  const byDefinition = fetches.every(
    ({ record }) => record.lock === 'not-applicable' || record.lock === 'match',
  );
  if (!byDefinition) {
    findings.push({
      kind: 'not-in-lock',
      severity: 'high',
      subject: purl,
      message: `fetched by ${[...new Set(fetches.map(({ record }) => record.step))].sort().join(', ')}, but no lock file has it`,
    });
  }
  const hashes = [...new Set(fetches.flatMap(({ record }) => record.sha512 ?? []))].sort();
  return {
    purl,
    name: first.name,
    version: first.version,
    sha512: hashes[0],
    paths: [],
    fetched: true,
    verified: byDefinition && hashes.length === 1,
    locked: false,
    dev: false,
    optional: false,
    bundled: false,
  };
}

function reportRefusals(
  fetches: readonly Fetch[],
  egress: readonly EgressRecord[],
  findings: Finding[],
): void {
  for (const { record, name, version } of fetches) {
    if (record.decision === 'allowed') continue;
    const kind = refusalKinds[record.reason ?? ''] ?? 'denied';
    findings.push({
      kind,
      severity: kind === 'mismatch' ? 'high' : 'medium',
      subject: npmPurl(name, version),
      message: `refused by the mirror in step ${record.step}: ${record.reason ?? 'no reason given'}`,
    });
  }
  for (const record of egress) {
    if (record.kind === 'npm-tarball' || record.decision === 'allowed') continue;
    findings.push({
      kind: 'denied',
      severity: 'medium',
      subject: record.uri.slice(0, 500),
      message: `step ${record.step} asked for it and was refused: ${record.reason ?? 'no reason given'}`,
    });
  }
}

const refusalKinds: Readonly<Record<string, Finding['kind']>> = {
  'egress.integrity_mismatch': 'mismatch',
  'egress.too_young': 'too-young',
  'egress.not_in_lock': 'not-in-lock',
};

/** By code unit, the same on every machine: localeCompare depends on the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
