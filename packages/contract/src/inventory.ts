import { type Static, Type } from 'typebox';
import { Instant, Text } from './primitives.ts';

/** Environments of projects and what is known of their secrets: /api/environments and /api/inventory. No value is in it. */

const closed = { additionalProperties: false } as const;
const Optional = Type.Optional;
const Count = Type.Integer({ minimum: 0 });
const Days = Type.Integer({ minimum: 1, maximum: 3650 });
const Path = Text(2048);
const Names = Type.Array(Text(256));

/** Wider than a new name may be: mounts of Vault's clients may have been made with it. */
export const EnvironmentName = Type.String({ pattern: '^[a-z0-9-]{1,63}$' });

const Duplicates = Type.Union([Type.Literal('report'), Type.Literal('refuse')]);

const settings = {
  order: Type.Integer({
    minimum: 0,
    maximum: 1000,
    description: 'its place among the environments of its project',
  }),
  duplicates: Duplicates,
  maxConsumers: Type.Integer({ minimum: 1, maximum: 1000 }),
  requireOwner: Type.Boolean(),
  unusedDays: Days,
  expiringDays: Days,
};

export const EnvironmentChange = Type.Partial(Type.Object(settings, closed), closed);
export type EnvironmentChange = Static<typeof EnvironmentChange>;

export const EnvironmentView = Type.Object(
  {
    project: Text(63),
    name: Text(63),
    ...settings,
    /** False while only mounts know of it. */
    declared: Type.Boolean(),
  },
  closed,
);
export type EnvironmentView = Static<typeof EnvironmentView>;

export const PromoteConfigBody = Type.Object({ from: EnvironmentName }, closed);

export const PromoteConfigView = Type.Object(
  {
    created: Count,
    completed: Count,
    unchanged: Count,
    leftOut: Type.Array(Type.Object({ mount: Path, path: Optional(Path), what: Names }, closed)),
    moreLeftOut: Count,
    unpaired: Type.Array(Path),
  },
  closed,
);
export type PromoteConfigView = Static<typeof PromoteConfigView>;

const Difference = Type.Object(
  {
    mount: Path,
    path: Path,
    what: Type.Union([Type.Literal('secret'), Type.Literal('value'), Type.Literal('keys')]),
    keys: Type.Array(Text(65_536)),
  },
  closed,
);

export const ParityView = Type.Object(
  {
    environment: Text(63),
    against: Text(63),
    lacks: Type.Array(Difference),
    more: Type.Array(Difference),
    /** Of both lists, those that did not fit. */
    left: Count,
    unpaired: Type.Array(Path),
  },
  closed,
);
export type ParityView = Static<typeof ParityView>;

/** Every condition that is given has to hold. */
export const InventoryQuery = Type.Object(
  {
    project: Optional(EnvironmentName),
    environment: Optional(EnvironmentName),
    unowned: Optional(Type.Boolean()),
    unusedDays: Optional(Days),
    overdue: Optional(Type.Boolean()),
    /** Used by more than so many. */
    shared: Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    expiringDays: Optional(Days),
    unknownReader: Optional(Type.Boolean()),
    elsewhere: Optional(Type.Boolean()),
    limit: Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    /** `next` of the part before. */
    after: Optional(Text(6000)),
  },
  closed,
);

export const InventoryRow = Type.Object(
  {
    environment: Text(127),
    mount: Path,
    path: Path,
    /** 0: no version yet, or a mount that keeps none. */
    version: Count,
    hasValue: Type.Boolean(),
    owner: Optional(Text(512)),
    purpose: Optional(Text(512)),
    rotateEverySeconds: Optional(Count),
    rotationDueAt: Optional(Instant),
    expiresAt: Optional(Instant),
    createdAt: Optional(Instant),
    changedAt: Optional(Instant),
    /** Said by its metadata or by definitions of repositories. */
    consumers: Names,
    /** Last one first. */
    readers: Type.Array(
      Type.Object(
        {
          name: Text(256),
          id: Text(512),
          /** Whether it is one of the consumers. */
          declared: Type.Boolean(),
          firstAt: Instant,
          lastAt: Instant,
          version: Count,
          reads: Count,
        },
        closed,
      ),
    ),
    /** Other environments with one of its values; `?` for those that the caller may not see. */
    elsewhere: Names,
  },
  closed,
);
export type InventoryRow = Static<typeof InventoryRow>;

export const InventoryPage = Type.Object(
  { secrets: Type.Array(InventoryRow), next: Optional(Text(6000)) },
  closed,
);
export type InventoryPage = Static<typeof InventoryPage>;

export const FindingsView = Type.Object(
  {
    findings: Type.Array(
      Type.Object(
        {
          kind: Text(64),
          severity: Type.Union([Type.Literal('high'), Type.Literal('medium'), Type.Literal('low')]),
          environment: Optional(Text(127)),
          subject: Text(4096),
          explanation: Text(8192),
          todo: Text(1024),
        },
        closed,
      ),
    ),
    /** Of all there are, by kind, also those that did not fit. */
    counts: Type.Record(Text(64), Count),
  },
  closed,
);
export type FindingsView = Static<typeof FindingsView>;
