import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';
import { normalizeDefinition } from './normalize.ts';
import { parseDefinition } from './parse.ts';

const text = (environments: string, timeout = '120s') => `version: 1
triggers: { push: [main] }
build:
  image: host
  steps: [{ name: a, run: make, timeout: ${timeout} }]
  artifacts: [{ name: app, type: oci, paths: [dist], base: scratch, command: [./app] }]
environments:
${environments}`;
const dev = '  dev: { target: { type: process, port: 4001 } }\n';
const stage = '  stage: { target: { port: 4002, type: process }, promote: { soak: 1m } }\n';
const digest = (source: string): string =>
  normalizeDefinition(parseDefinition(source, { file: 'f' }), 'orders').digest;

describe('normalizeDefinition', () => {
  it('gives one digest to one meaning', () => {
    const other = `# a comment\n${text(dev + stage.replace('1m', '60s').replace('soak', 'from: dev, auto: false, soak'), '2m')}`;

    expect(digest(other)).toBe(digest(text(dev + stage)));
  });

  it('gives another digest when environments change places', () => {
    const plain = stage.replace(', promote: { soak: 1m }', '');

    expect(digest(text(dev + plain))).not.toBe(digest(text(plain + dev)));
  });

  it('writes defaults out and is its own normal form', () => {
    const once = normalizeDefinition(parseDefinition(text(dev + stage), { file: 'f' }), 'orders');
    const twice = normalizeDefinition(once.definition, 'other');

    expect(once.definition.service).toBe('orders');
    expect(once.definition.build.steps[0]?.network).toBe('none');
    expect(once.definition.environments['stage']?.promote?.from).toBe('dev');
    expect(twice).toEqual(once);
  });
});

describe('parseDuration', () => {
  it('knows seconds, minutes, hours and days', () => {
    expect(['90s', '15m', '72h', '7d'].map(parseDuration)).toEqual([90, 900, 259_200, 604_800]);
  });

  it.each(['', 's', '1', '-1s', '1.5h', '1w', ' 1s', '1s\n', '9999999s', '1S', '１s'])(
    'refuses %j',
    (bad) => {
      expect(() => parseDuration(bad)).toThrow(/expected a duration/);
    },
  );
});
