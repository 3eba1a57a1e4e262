import type { Digest } from '../bytes/digest.ts';
import {
  boolean,
  closed,
  digest,
  instant,
  integer,
  list,
  oneOf,
  open,
  plainObject,
  type Shape,
  shapeFault,
  text,
} from '../json/shape.ts';
import { commit, id, name, type ResourceDescriptor, resources, sentence } from './fields.ts';

/** Statements about how a subject came to be. */

/** in-toto test-result v0.1: one statement per verify step. */
export interface TestResult {
  readonly result: 'PASSED' | 'WARNED' | 'FAILED';
  readonly configuration: readonly ResourceDescriptor[];
  readonly url?: string;
  readonly passedTests?: readonly string[];
  readonly warnedTests?: readonly string[];
  readonly failedTests?: readonly string[];
}

const tests = list(text(500), 100_000);

export const testResultShape: Shape<TestResult> = open<TestResult>(
  { result: oneOf('PASSED', 'WARNED', 'FAILED'), configuration: resources },
  { url: text(2000), passedTests: tests, warnedTests: tests, failedTests: tests },
);

/** The parts of a CycloneDX bill of materials that are checked; the rest is carried as it is. */
export interface CycloneDx {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: string;
  readonly components?: readonly { readonly type: string; readonly name: string; readonly purl?: string }[];
  readonly [member: string]: unknown;
}

const component = open<NonNullable<CycloneDx['components']>[number]>(
  { type: text(100), name: text(1000) },
  { purl: text(2000) },
);

export const cycloneDxShape: Shape<CycloneDx> = (value, at) => {
  const bom = plainObject(value, at);
  if (bom['bomFormat'] !== 'CycloneDX') throw shapeFault(`${at}.bomFormat`, '"CycloneDX"', bom['bomFormat']);
  text(10, /^1\.[0-9]+$/)(bom['specVersion'], `${at}.specVersion`);
  if (Object.hasOwn(bom, 'components')) list(component, 100_000)(bom['components'], `${at}.components`);
  // Its checked members have just been read; the index signature says that the others are unknown.
  return bom as CycloneDx;
};

export interface RunStep {
  readonly name: string;
  readonly phase: 'build' | 'verify';
  readonly outcome: 'succeeded' | 'failed' | 'timed_out' | 'limit_exceeded' | 'refused';
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode?: number;
  readonly logDigest: Digest;
  /** What was really in force, as the agent probed it. */
  readonly isolation: Readonly<Record<string, unknown>>;
  /** Which versions of which secrets the step could see; never a value. */
  readonly secrets: readonly { readonly name: string; readonly ref: string; readonly version: number }[];
  readonly egress: { readonly allowed: number; readonly denied: number };
}

/** `run/v1`: a run and how it ended. */
export interface Run {
  readonly project: string;
  readonly service: string;
  readonly runId: string;
  readonly attempt: number;
  readonly repository: string;
  readonly ref: string;
  readonly commit: string;
  readonly trust: 'trusted' | 'untrusted';
  readonly trigger: 'push' | 'tag' | 'pull_request' | 'manual';
  readonly definitionDigest: Digest;
  readonly outcome: 'succeeded' | 'failed';
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly steps: readonly RunStep[];
}

const step: Shape<RunStep> = closed<RunStep>(
  {
    name,
    phase: oneOf('build', 'verify'),
    outcome: oneOf('succeeded', 'failed', 'timed_out', 'limit_exceeded', 'refused'),
    startedAt: instant,
    finishedAt: instant,
    logDigest: digest,
    isolation: plainObject,
    secrets: list(
      closed<RunStep['secrets'][number]>({ name: text(100), ref: text(400), version: integer(1) }, {}),
      100,
    ),
    egress: closed<RunStep['egress']>({ allowed: integer(0), denied: integer(0) }, {}),
  },
  { exitCode: integer(-1, 255) },
);

export const runShape: Shape<Run> = closed<Run>(
  {
    project: name,
    service: name,
    runId: id,
    attempt: integer(1),
    repository: text(2000),
    ref: text(300),
    commit,
    trust: oneOf('trusted', 'untrusted'),
    trigger: oneOf('push', 'tag', 'pull_request', 'manual'),
    definitionDigest: digest,
    outcome: oneOf('succeeded', 'failed'),
    startedAt: instant,
    finishedAt: instant,
    steps: list(step, 200),
  },
  {},
);

export interface DependencyFinding {
  readonly kind: string;
  readonly severity: 'info' | 'low' | 'medium' | 'high' | 'critical';
  /** What it is about: a purl or a path. */
  readonly subject: string;
  readonly message: string;
}

/** `dependencies/v1`: what the lock file promised against what the mirror saw on the wire. */
export interface Dependencies {
  readonly project: string;
  readonly service: string;
  readonly runId: string;
  readonly lockfiles: readonly { readonly path: string; readonly digest: Digest }[];
  readonly locked: number;
  readonly fetched: number;
  /** Fetched and equal to a hash from the lock file. */
  readonly verified: number;
  readonly mismatches: number;
  readonly notInLock: number;
  readonly notFetched: number;
  /** Every way out of the build was one that records digests. */
  readonly complete: boolean;
  /** The bill of materials lists exactly what was fetched. */
  readonly sbomMatchesFetched: boolean;
  readonly findings: readonly DependencyFinding[];
}

const count = integer(0, 1_000_000);

export const dependenciesShape: Shape<Dependencies> = closed<Dependencies>(
  {
    project: name,
    service: name,
    runId: id,
    lockfiles: list(closed<Dependencies['lockfiles'][number]>({ path: text(400), digest }, {}), 20),
    locked: count,
    fetched: count,
    verified: count,
    mismatches: count,
    notInLock: count,
    notFetched: count,
    complete: boolean,
    sbomMatchesFetched: boolean,
    findings: list(
      closed<DependencyFinding>(
        {
          kind: text(100),
          severity: oneOf('info', 'low', 'medium', 'high', 'critical'),
          subject: text(2000),
          message: sentence,
        },
        {},
      ),
      20_000,
    ),
  },
  {},
);

/** `source/v1`: who signed the commit that was built. */
export interface Source {
  readonly project: string;
  readonly repository: string;
  readonly ref: string;
  readonly commit: string;
  readonly sourceDigest?: Digest;
  /** A signature by an allowed signer was found valid. */
  readonly signed: boolean;
  readonly signer?: string;
  readonly signatureFormat?: 'ssh' | 'openpgp';
  readonly keyFingerprint?: string;
  /** Why it does not count as signed. */
  readonly reason?: string;
  readonly author?: { readonly name?: string; readonly email?: string };
  readonly committedAt: string;
}

export const sourceShape: Shape<Source> = closed<Source>(
  { project: name, repository: text(2000), ref: text(300), commit, signed: boolean, committedAt: instant },
  {
    sourceDigest: digest,
    signer: text(300),
    signatureFormat: oneOf('ssh', 'openpgp'),
    keyFingerprint: text(200),
    reason: sentence,
    author: closed<NonNullable<Source['author']>>({}, { name: text(300), email: text(300) }),
  },
);
