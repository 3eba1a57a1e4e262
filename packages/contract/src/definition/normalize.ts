import { canonicalJson, type Digest, digestOf, utf8 } from '@sallyport/formats';
import { parseDuration } from './duration.ts';
import type { Definition, Environment, Step } from './model.ts';

export interface NormalizedDefinition {
  /** The definition with every default written out. */
  readonly definition: Definition;
  /** Canonical JSON (RFC 8785) of it: what the digest is taken of, and what provenance shows. */
  readonly canonical: string;
  readonly digest: Digest;
}

/**
 * Two definitions that mean the same have the same digest, whatever their comments, key order and spelling of
 * durations. Environments become a list, because their order means something and canonical JSON sorts keys.
 */
export function normalizeDefinition(definition: Definition, serviceName: string): NormalizedDefinition {
  const filled = fillDefaults(definition, serviceName);
  const { environments, ...rest } = filled;
  const canonical = canonicalJson({
    ...rest,
    environments: Object.entries(environments).map(([name, environment]) => ({ name, ...environment })),
  });
  return { definition: filled, canonical, digest: digestOf(utf8(canonical)) };
}

function fillDefaults(definition: Definition, serviceName: string): Definition {
  const names = Object.keys(definition.environments);
  const environments = Object.entries(definition.environments).map(
    ([name, environment], index) => [name, fillEnvironment(environment, names[index - 1])] as const,
  );
  const { dependencies, build, verify = [], triggers } = definition;
  return {
    ...definition,
    service: definition.service ?? serviceName,
    triggers: { ...triggers, pull_request: triggers.pull_request ?? 'off' },
    dependencies: {
      ...dependencies,
      lockfiles: dependencies?.lockfiles ?? [],
      registries: { npm: 'proxy' },
      min_release_age: inSeconds(dependencies?.min_release_age ?? '0s'),
      on_unverified: dependencies?.on_unverified ?? 'fail',
    },
    build: { ...build, steps: build.steps.map(fillStep) },
    verify: verify.map(fillStep),
    environments: Object.fromEntries(environments),
  };
}

function fillStep(step: Step): Step {
  return {
    ...step,
    network: step.network ?? 'none',
    allow_scripts: step.allow_scripts ?? false,
    timeout: inSeconds(step.timeout ?? '15m'),
    idempotent: step.idempotent ?? false,
  };
}

function fillEnvironment(environment: Environment, previous: string | undefined): Environment {
  const { promote, target } = environment;
  const from = promote?.from ?? previous;
  return {
    ...environment,
    target: {
      ...target,
      health: {
        path: target.health?.path ?? '/healthz',
        timeout: inSeconds(target.health?.timeout ?? '30s'),
        interval: inSeconds(target.health?.interval ?? '5s'),
      },
    },
    promote: {
      ...promote,
      ...(from === undefined ? {} : { from }),
      auto: promote?.auto ?? false,
      ...(promote?.soak === undefined ? {} : { soak: inSeconds(promote.soak) }),
    },
    drift: environment.drift ?? 'report',
  };
}

/** `2m` and `120s` are the same time; more seconds than the format can write stay as they are. */
function inSeconds(duration: string): string {
  const seconds = parseDuration(duration);
  return seconds > 999_999 ? duration : `${seconds}s`;
}
