import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { declaredOf } from './declared.ts';
import { type Finding, findingKinds, findingsOf, inOrder, severities } from './findings.ts';
import { matches, type SecretRow, usersOf } from './row.ts';
import { livesLong, tokenFinding } from './token-findings.ts';

const day = 24 * 3600_000;
const now = Date.parse('2026-06-01T00:00:00Z');
const row = (changes: Partial<SecretRow> & { readonly custom?: Record<string, string> } = {}): SecretRow => ({
  environment: 'shop/dev',
  mount: 'dev/',
  mountId: 'id',
  path: 'db',
  declared: declaredOf(changes.custom ?? { owner: 'ada' }),
  services: [],
  version: 1,
  hasValue: true,
  createdAt: now - day,
  changedAt: now - day,
  readers: [],
  elsewhere: [],
  accountElsewhere: [],
  settings: {
    order: 0,
    duplicates: 'report',
    maxConsumers: 3,
    requireOwner: false,
    unusedDays: 90,
    expiringDays: 30,
  },
  ...changes,
});
const seen = (name: string, last = now): SecretRow['readers'][number] => ({
  mountId: 'id',
  path: 'db',
  reader: { id: `token:${name}`, name, aliases: [name] },
  first: last,
  last,
  version: 1,
  count: 1,
});
const kinds = (given: SecretRow): readonly string[] => findingsOf(given, now).map(({ kind }) => kind);
const grave = (given: SecretRow, kind: string): string | undefined =>
  findingsOf(given, now).find((each) => each.kind === kind)?.severity;

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const anyCustom = fc.record(
  {
    owner: fc.oneof(fc.constantFrom('', ' ', 'ada'), text),
    purpose: text,
    rotate_every: fc.oneof(fc.constantFrom('90d', '1h', '0', '-1d', '1e9d', '999999999d'), text),
    expires_at: fc.oneof(
      fc.constantFrom('2026-06-02', '2020-01-01T00:00:00Z', '9999-12-31', '2026-99-99', '+010000-01-01'),
      text,
    ),
    consumers: fc.array(name, { maxLength: 8 }).map((names) => names.join(',')),
  },
  { requiredKeys: [] },
);
const anyRow: fc.Arbitrary<SecretRow> = fc
  .record({
    custom: anyCustom,
    changedAt: fc.integer({ min: now - 400 * day, max: now }),
    readers: fc.array(fc.tuple(name, fc.integer({ min: now - 400 * day, max: now })), { maxLength: 6 }),
    hasValue: fc.boolean(),
    elsewhere: fc.array(fc.constantFrom({ environment: 'shop/prod' }, {}), { maxLength: 2 }),
    requireOwner: fc.boolean(),
  })
  .map(({ custom, readers, requireOwner, ...rest }) =>
    row({
      custom,
      ...rest,
      readers: readers.map(([who, at]) => seen(who, at)).sort((one, other) => other.last - one.last),
      settings: { ...row().settings, requireOwner },
    }),
  );

describe('findings', () => {
  it('are none for a secret that is as it should be', () => {
    const good = row({
      custom: { owner: 'ada', rotate_every: '90d', consumers: 'orders', expires_at: '2027-01-01' },
      readers: [seen('orders')],
    });

    expect(findingsOf(good, now)).toEqual([]);
  });

  it('grow graver with time and with what the environment asks for', () => {
    const at = (expires_at: string) => row({ custom: { owner: 'ada', expires_at } });
    const rotated = (days: number) =>
      row({ custom: { owner: 'ada', rotate_every: '10d' }, changedAt: now - days * day });

    expect(['2026-06-20', '2026-06-05', '2026-05-30'].map((each) => kinds(at(each))[0])).toEqual([
      'expiring',
      'expiring',
      'expired',
    ]);
    expect(['2026-06-20', '2026-06-05'].map((each) => grave(at(each), 'expiring'))).toEqual([
      'medium',
      'high',
    ]);
    expect([9, 11, 25].map((days) => grave(rotated(days), 'rotation_overdue'))).toEqual([
      undefined,
      'medium',
      'high',
    ]);
    expect(grave(row({ custom: {} }), 'unowned')).toBe('low');
    expect(grave(row({ custom: {}, settings: { ...row().settings, requireOwner: true } }), 'unowned')).toBe(
      'high',
    );
  });

  it('take a reader for a consumer by any of its names, in any case', () => {
    const readers = [
      {
        ...seen('x'),
        reader: { id: 'entity:1', name: 'Orders Service', aliases: ['orders-service', 'Orders'] },
      },
    ];

    expect(kinds(row({ custom: { owner: 'a', consumers: 'ORDERS' }, readers }))).toEqual([]);
    expect(kinds(row({ custom: { owner: 'a', consumers: 'billing' }, readers }))).toEqual(['unknown_reader']);
    expect(kinds(row({ custom: { owner: 'a' }, readers }))).toEqual([]);
    expect(kinds(row({ custom: { owner: 'a' }, services: ['orders'], readers }))).toEqual([]);
  });

  it('of a secret without owner stay, whatever is taken away from its metadata', () => {
    fc.assert(
      fc.property(
        anyCustom,
        fc.constantFrom('owner', 'purpose', 'rotate_every', 'expires_at', 'consumers'),
        (custom, gone) => {
          const { [gone]: _removed, ...less } = custom as Record<string, string>;
          const unowned = (given: Record<string, string>) =>
            kinds(row({ custom: given })).includes('unowned');
          if (unowned(custom as Record<string, string>)) expect(unowned(less)).toBe(true);
        },
      ),
    );
  });

  it('never get fewer when a value is found elsewhere, when a reader comes that nobody knows, or when time passes', () => {
    fc.assert(
      fc.property(anyRow, fc.integer({ min: 0, max: 500 }), (given, days) => {
        const before = new Set(findingsOf(given, now).map(({ kind }) => kind));
        const more = findingsOf(
          {
            ...given,
            elsewhere: [...given.elsewhere, { environment: 'x/y' }],
            readers: [...given.readers, seen('stranger', 0)],
          },
          now,
        ).map(({ kind }) => kind);
        const later = findingsOf(given, now + days * day).map(({ kind }) => kind);

        for (const kind of before) expect(more).toContain(kind);
        // What expires will have expired.
        for (const kind of before)
          expect(later.includes(kind) || (kind === 'expiring' && later.includes('expired'))).toBe(true);
      }),
    );
  });

  it('agree with the filters of the list', () => {
    fc.assert(
      fc.property(anyRow, (given) => {
        const found = kinds(given);

        expect(matches(given, { unowned: true }, now)).toBe(found.includes('unowned'));
        expect(matches(given, { overdue: true }, now)).toBe(found.includes('rotation_overdue'));
        expect(matches(given, { unusedDays: 90 }, now)).toBe(found.includes('unused'));
        expect(matches(given, { shared: 3 }, now)).toBe(found.includes('shared_by_many'));
        expect(matches(given, { expiringDays: 30 }, now)).toBe(
          found.includes('expiring') || found.includes('expired'),
        );
        expect(matches(given, { elsewhere: true }, now)).toBe(found.includes('same_value_elsewhere'));
        expect(matches(given, {}, now)).toBe(true);
        expect(new Set(usersOf(given)).size).toBe(usersOf(given).length);
      }),
    );
  });

  it('come in one order, the gravest first', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 10 }), (rows) => {
        const all = rows.flatMap((each, index) => findingsOf({ ...each, path: `db${index}` }, now));
        const ordered = inOrder(all);
        const ranks = ordered.map(({ severity }) => severities.indexOf(severity));

        expect(ranks).toEqual([...ranks].sort((one, other) => one - other));
        expect(inOrder([...all].reverse())).toEqual(ordered);
        expect(ordered.every((each: Finding) => findingKinds.includes(each.kind))).toBe(true);
      }),
    );
  });
});

describe('what owners declare', () => {
  it('is read as far as it can be, and what cannot be is named', () => {
    const read = declaredOf({
      owner: ' ada ',
      rotate_every: 'soon',
      expires_at: '2026-13-45',
      consumers: ' a, b ,,a',
    });

    expect(read).toMatchObject({
      owner: 'ada',
      consumers: ['a', 'b'],
      unreadable: ['rotate_every', 'expires_at'],
    });
  });

  it('never throws, and takes nothing from the prototype', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(text, fc.constantFrom('owner', 'rotate_every', 'expires_at')), text),
        (custom) => {
          const read = declaredOf(custom);
          expect(read.rotateSeconds ?? 1).toBeGreaterThan(0);
          expect(Number.isFinite(read.expiresAt ?? 0)).toBe(true);
        },
      ),
    );
    expect(declaredOf(JSON.parse('{"__proto__":{"owner":"eve"}}')).owner).toBe('');
  });
});

describe('a token', () => {
  const facts = {
    accessor: 'abc',
    displayName: 'token-ci',
    createdAt: now,
    expiresAt: now + 40 * day,
    period: 0,
    isRoot: false,
    wholeMounts: [
      { path: 'dev/', environment: 'shop/dev' },
      { path: 'prod/', environment: 'shop/prod' },
    ],
  };

  it('is found when it lives longer than 32 days and opens more than one mount', () => {
    expect(tokenFinding(facts)?.severity).toBe('high');
    expect(tokenFinding({ ...facts, expiresAt: now + 32 * day })).toBeUndefined();
    expect(tokenFinding({ ...facts, wholeMounts: facts.wholeMounts.slice(0, 1) })).toBeUndefined();
    expect(tokenFinding({ ...facts, isRoot: true, expiresAt: 0, wholeMounts: [] })?.explanation).toContain(
      'never ends and may do everything',
    );
    expect(livesLong({ ...facts, expiresAt: now + day, period: 33 * 86_400 })).toBe(true);
  });
});
