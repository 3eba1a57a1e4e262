import { Fault } from '@sallyport/formats';

/** What a step's identity token says, before it is signed. Names follow delivery.md section C. */
export interface StepIdentity {
  readonly runId: string;
  readonly step: string;
  readonly project: string;
  readonly service: string;
  /** The environment the step acts for; a build or verify step has none and speaks for `build`. */
  readonly environment?: string;
  readonly trust: 'trusted' | 'untrusted';
  readonly commit: string;
  readonly ref: string;
  readonly audience: string;
  readonly ttlSeconds: number;
}

/** The longest an identity token lives, however long its step may run: a stolen one is soon worthless. */
export const maxStepTokenSeconds = 600;

const name = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const commit = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

/**
 * `project:<p>:env:<e>:step:<s>`: stable (no commit, no run), because Azure matches it exactly and AWS sees little
 * else. Every part is a plain name, so that no part can contain a `:` and speak for another one.
 */
export function stepSubject(identity: StepIdentity): string {
  for (const part of [identity.project, identity.service, identity.environment ?? 'build', identity.step])
    if (!name.test(part))
      throw new Fault(
        'invalid',
        'identity.claim_invalid',
        `expected a plain name, got "${part.slice(0, 80)}"`,
      );
  return `project:${identity.project}:env:${identity.environment ?? 'build'}:step:${identity.step}`;
}

/** Checks the parts of an identity that do not go into the subject. */
export function checkStepIdentity(identity: StepIdentity): void {
  if (identity.trust !== 'trusted')
    throw new Fault(
      'denied',
      'identity.untrusted_run',
      'expected a trusted run, got one started by an untrusted event',
      { hint: 'steps of untrusted runs hold no identity; run the commit from a protected ref' },
    );
  if (!commit.test(identity.commit))
    throw new Fault('invalid', 'identity.claim_invalid', 'expected a full commit hash');
  if (identity.ref.length === 0 || identity.ref.length > 300 || /\p{Cc}/u.test(identity.ref))
    throw new Fault('invalid', 'identity.claim_invalid', 'expected a ref of 1 to 300 printable characters');
  if (
    identity.audience.length === 0 ||
    identity.audience.length > 300 ||
    /[\s\p{Cc}]/u.test(identity.audience)
  )
    throw new Fault('invalid', 'identity.claim_invalid', 'expected one audience of 1 to 300 characters');
  if (!Number.isSafeInteger(identity.ttlSeconds) || identity.ttlSeconds < 1)
    throw new Fault('invalid', 'identity.claim_invalid', 'expected a lifetime of at least one second');
}

export function stepClaims(identity: StepIdentity): Readonly<Record<string, string>> {
  return {
    project: identity.project,
    service: identity.service,
    environment: identity.environment ?? 'build',
    step: identity.step,
    run_id: identity.runId,
    source_sha: identity.commit,
    ref: identity.ref,
    trust: identity.trust,
  };
}

export const stepClaimNames = [
  'project',
  'service',
  'environment',
  'step',
  'run_id',
  'source_sha',
  'ref',
  'trust',
] as const;
