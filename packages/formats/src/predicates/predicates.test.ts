import { describe, expect, it } from 'vitest';
import { examples, place } from '../../test-support/statements.ts';
import { isFault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import { readBuildParameters } from './provenance.ts';
import { type PredicateName, predicateNameOf, readPredicate } from './read.ts';
import { predicateTypes } from './types.ts';
import { parsePlaceUri, placeUri } from './verdict.ts';

// The keys of `examples` are the names of the predicates by its type.
const names = Object.keys(examples) as PredicateName[];
/** Standards that tell readers to pass over what they do not know. */
const openToMore = new Set<PredicateName>(['provenance', 'verdict', 'cyclonedx', 'testResult']);

/** All copies of a document with one member, at any depth, replaced by something of another type, with its path. */
function mutations(value: unknown, path = ''): [path: string, changed: unknown][] {
  if (Array.isArray(value)) {
    return value.flatMap((item, i) =>
      mutations(item, `${path}.${i}`).map(([at, changed]): [string, unknown] => [at, value.with(i, changed)]),
    );
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    [`${path}.${key}`, { ...value, [key]: [[0]] }] as [string, unknown],
    ...mutations(member, `${path}.${key}`).map(([at, changed]): [string, unknown] => [
      at,
      { ...value, [key]: changed },
    ]),
  ]);
}

/** What is free-form by intent: parameters of any builder, isolation as probed, target as declared, the rest of an SBOM. */
const freeForm =
  /^(provenance\.buildDefinition\.externalParameters|run\.steps\.0\.isolation|desiredState\.spec|cyclonedx\.version)(\.|$)/;

function accepts(name: PredicateName, predicate: unknown): boolean {
  try {
    readPredicate(name, predicate);
    return true;
  } catch (error) {
    if (!isFault(error)) throw error;
    return false;
  }
}

describe('readPredicate', () => {
  it.each(names)('reads a %s, and what it gives is what was written', (name) => {
    expect(canonicalJson(readPredicate(name, examples[name]))).toBe(canonicalJson(examples[name]));
    expect(predicateNameOf(predicateTypes[name])).toBe(name);
  });

  it.each(names.filter((name) => !openToMore.has(name)))('refuses a %s with an unknown key', (name) => {
    expect(() => readPredicate(name, { ...examples[name], extra: 1 })).toThrow(/only the keys/);
  });

  it.each(names)('refuses a %s in which something has another type', (name) => {
    const survivors = mutations(examples[name], name)
      .filter(([, changed]) => accepts(name, changed))
      .map(([path]) => path);

    expect(survivors.filter((path) => !freeForm.test(path))).toEqual([]);
  });

  it.each(names)('refuses a %s that is no object', (name) => {
    for (const value of [null, undefined, [], 'text', 5, {}]) {
      expect(accepts(name, value)).toBe(false);
    }
  });

  it('does not know other types, nor names of methods', () => {
    expect(predicateNameOf('https://example.test/v1')).toBeUndefined();
    expect(predicateNameOf('toString')).toBeUndefined();
  });

  it.each(['2026-02-30T00:00:00Z', '2026-11-20', '2026-11-20T10:00:00+01:00', '2026-11-20T25:00:00Z', ''])(
    'refuses the time %j',
    (at) => {
      expect(accepts('approval', { ...examples.approval, at })).toBe(false);
    },
  );
});

describe('readBuildParameters', () => {
  const change = (changes: object, type = examples.provenance.buildDefinition.buildType) => ({
    ...examples.provenance,
    buildDefinition: {
      buildType: type,
      externalParameters: { ...examples.provenance.buildDefinition.externalParameters, ...changes },
    },
  });

  it('gives complete parameters and refuses missing, unknown and foreign ones', () => {
    expect(readBuildParameters(examples.provenance).ref).toBe('refs/heads/main');
    expect(() => readBuildParameters(change({ ref: undefined }))).toThrow(/externalParameters.ref/);
    expect(() => readBuildParameters(change({ cache: 'warm' }))).toThrow(/only the keys/);
    expect(() => readBuildParameters(change({ trust: 'very' }))).toThrow(/trust/);
    expect(() => readBuildParameters(change({}, 'https://example.test/other'))).toThrow(/build of type/);
  });
});

describe('placeUri', () => {
  it('names a service in an environment, one place per text', () => {
    expect(parsePlaceUri(placeUri(place))).toEqual(place);
    for (const text of [
      '',
      `${placeUri(place)}/`,
      placeUri(place).toUpperCase(),
      'sallyport:projects/a/environments/../services/b',
    ]) {
      expect(() => parsePlaceUri(text)).toThrow(/expected "sallyport:/);
    }
    expect(() => placeUri({ ...place, environment: 'prod/services/x' })).toThrow(/expected/);
  });
});
