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
const openToMore = new Set<PredicateName>([
  ...(['provenance', 'verdict', 'cyclonedx', 'testResult', 'spdx', 'spdx2', 'spdx3'] as const),
  ...(['vulns', 'release', 'runtimeTrace'] as const),
]);

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
  /^(provenance\.buildDefinition\.externalParameters|run\.steps\.0\.isolation|desiredState\.spec|cyclonedx\.version|vulns\.scanner\.result\.0\.annotations\.0\.package|runtimeTrace\.(monitor\.tracePolicy\.follow|monitorLog\.(process|network)\.0\.\w+))(\.|$)/;

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

describe('predicates that others submit', () => {
  it.each<[PredicateName, unknown]>([
    ['release', { purl: 'pkg:npm/@angular/http' }],
    ['release', { purl: 'npm:http@1' }],
    ['release', { purl: 'pkg:pypi/urllib3@' }],
    ['spdx2', { ...examples.spdx2, spdxVersion: 'SPDX-3.0' }],
    ['spdx2', { ...examples.spdx2, documentNamespace: 'https://git.example.test/#part' }],
    ['spdx2', { ...examples.spdx2, packages: [{ SPDXID: 'a', name: 'a', downloadLocation: 'NONE' }] }],
    ['spdx3', { ...examples.spdx3, '@context': 'https://other.example.test/spdx-context.jsonld' }],
    ['spdx3', { ...examples.spdx3, '@graph': [] }],
    ['spdx3', { ...examples.spdx3, '@graph': [...examples.spdx3['@graph'], ...examples.spdx3['@graph']] }],
    ['spdx', { ...examples.spdx3, '@context': 3 }],
    ['vulns', { ...examples.vulns, scanner: { ...examples.vulns.scanner, result: undefined } }],
    ['vulns', { ...examples.vulns, scanner: { ...examples.vulns.scanner, db: {} } }],
    ['runtimeTrace', { ...examples.runtimeTrace, monitorLog: {} }],
  ])('are refused: %s %j', (name, predicate) => {
    expect(accepts(name, predicate)).toBe(false);
  });

  it('are read with members nobody here knows, and SPDX in either version under the plain type', () => {
    for (const name of openToMore) expect(accepts(name, { ...examples[name], 'x-more': [1] })).toBe(true);
    expect(readPredicate('spdx', examples.spdx3)).toEqual(examples.spdx3);
    expect(readPredicate('release', { purl: 'pkg:pypi/urllib3@2.1.0' }).purl).toBe('pkg:pypi/urllib3@2.1.0');
  });
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
