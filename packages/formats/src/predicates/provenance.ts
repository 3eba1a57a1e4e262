import type { Digest } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import { closed, digest, instant, oneOf, open, plainObject, type Shape, text, uri } from '../json/shape.ts';
import { builderVersion, commit, name, type ResourceDescriptor, resources } from './fields.ts';

/** `buildType` of builds by Sallyport: what `externalParameters` means, see docs/formats/statements.md. */
export const buildType = 'https://sallyport.dev/build/v1';

/** SLSA provenance v1. */
export interface Provenance {
  readonly buildDefinition: {
    readonly buildType: string;
    readonly externalParameters: Readonly<Record<string, unknown>>;
    readonly internalParameters?: Readonly<Record<string, unknown>>;
    readonly resolvedDependencies?: readonly ResourceDescriptor[];
  };
  readonly runDetails: {
    readonly builder: {
      readonly id: string;
      readonly version?: Readonly<Record<string, string>>;
      readonly builderDependencies?: readonly ResourceDescriptor[];
    };
    readonly metadata?: {
      readonly invocationId?: string;
      readonly startedOn?: string;
      readonly finishedOn?: string;
    };
    readonly byproducts?: readonly ResourceDescriptor[];
  };
}

/** All that could be chosen from outside for a build of `buildType`. */
export interface BuildParameters {
  readonly project: string;
  readonly service: string;
  readonly repository: string;
  readonly ref: string;
  readonly commit: string;
  readonly trust: 'trusted' | 'untrusted';
  readonly trigger: 'push' | 'tag' | 'pull_request' | 'manual';
  readonly definition: { readonly path: string; readonly digest: Digest };
}

// Open, because SLSA lets producers add fields and tells consumers to pass over what they do not know.
export const provenanceShape: Shape<Provenance> = open<Provenance>(
  {
    buildDefinition: open<Provenance['buildDefinition']>(
      { buildType: uri, externalParameters: plainObject },
      { internalParameters: plainObject, resolvedDependencies: resources },
    ),
    runDetails: open<Provenance['runDetails']>(
      {
        builder: open<Provenance['runDetails']['builder']>(
          { id: uri },
          { version: builderVersion, builderDependencies: resources },
        ),
      },
      {
        metadata: open<NonNullable<Provenance['runDetails']['metadata']>>(
          {},
          { invocationId: text(500), startedOn: instant, finishedOn: instant },
        ),
        byproducts: resources,
      },
    ),
  },
  {},
);

const parameters: Shape<BuildParameters> = closed<BuildParameters>(
  {
    project: name,
    service: name,
    repository: text(2000),
    ref: text(300),
    commit,
    trust: oneOf('trusted', 'untrusted'),
    trigger: oneOf('push', 'tag', 'pull_request', 'manual'),
    definition: closed<BuildParameters['definition']>({ path: text(400), digest }, {}),
  },
  {},
);

/** The external parameters of a Sallyport build, complete and with no unknown one beside them, or a Fault. */
export function readBuildParameters(provenance: Provenance): BuildParameters {
  const { buildDefinition } = provenance;
  if (buildDefinition.buildType !== buildType) {
    throw new Fault(
      'invalid',
      'formats.build_type',
      `expected a build of type ${buildType}, got ${buildDefinition.buildType.slice(0, 200)}`,
    );
  }
  return parameters(buildDefinition.externalParameters, 'externalParameters');
}
