import fc from 'fast-check';
import { capabilityBits, namesOfMask } from './capability.ts';
import { denyGrant, type Grant } from './grant.ts';
import type { ParameterValue } from './parameters.ts';
import { type PathTemplate, parsePath } from './pattern.ts';
import type { Policy } from './policy.ts';

/** Any policy that can be written, within bounds that keep tests quick. */
export const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    rules: fc.array(fc.record({ path: anyPath(), grant: anyGrant() }), { maxLength: 5 }),
    environments: fc.option(
      fc.uniqueArray(fc.constantFrom('shop/dev', 'shop/prod', 'a/b'), { minLength: 1 }),
    ),
  })
  .map(({ rules, environments }) => ({
    name: 'p',
    rules,
    ...(environments === null ? {} : { environments }),
    templated: rules.some(({ path }) => path.fixed === undefined),
  }));

function anyPath(): fc.Arbitrary<PathTemplate> {
  const segment = fc.constantFrom('a', 'b', '+', 'é🔑', 'a+b', '*a', '"\\', '{', '{{ x.y }}', 'u-{{x}}', '');
  return fc.tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean()).map(([segments, glob]) => {
    const path = segments.join('/');
    const parsed = parsePath(glob && !path.endsWith('+') ? `/${path}*` : `/${path}`);
    if ('expected' in parsed) throw new Error(`expected a path, got ${path}`);
    return parsed;
  });
}

function anyGrant(): fc.Arbitrary<Grant> {
  const values: fc.Arbitrary<ParameterValue> = fc.letrec<{ value: ParameterValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom('\u0024{x}', '\0', '\ufeff', '\u202e', '"', '\\'),
      fc.integer(),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 2 }),
      fc
        .array(fc.tuple(fc.string({ maxLength: 4 }), tie('value')), { maxLength: 2 })
        .map((pairs) => new Map(pairs)),
    ),
  })).value;
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '-', ' ', 'é'), minLength: 1, maxLength: 4 });
  const parameters = fc
    .array(fc.tuple(name, fc.array(values, { maxLength: 3 })), { maxLength: 3 })
    .map((pairs) => new Map(pairs));
  const bits = Object.values(capabilityBits).reduce((all, bit) => all | bit, 0);
  return fc
    .record({
      capabilities: fc.integer({ min: 0, max: bits }),
      allowed: parameters,
      denied: parameters,
      required: fc.array(name, { maxLength: 3 }).map((names) => new Set(names)),
      minWrapSeconds: fc.nat(1_000),
      maxWrapSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 9_000_000_000 })),
    })
    .map((grant) => ((grant.capabilities & capabilityBits.deny) === 0 ? grant : denyGrant));
}

export function printHcl({ rules, environments }: Policy): string {
  const blocks = rules.map(({ path, grant }) => {
    const lines = entriesOf(grant).map(([key, value]) => `  ${key} = ${hcl(value)}\n`);
    return `path ${text(pathOf(path))} {\n${lines.join('')}}\n`;
  });
  return `${environments === undefined ? '' : `environments = ${hcl(environments)}\n`}${blocks.join('\n')}`;
}

export function printJson({ rules, environments }: Policy): string {
  const path = rules.map(({ path: each, grant }) =>
    json(new Map([[pathOf(each), new Map(entriesOf(grant))]])),
  );
  const scope = environments === undefined ? '' : `"environments": ${json(environments)}, `;
  return `{${scope}"path": [${path.join(', ')}]}`;
}

/** With a slash in front, since the parser drops one. */
function pathOf({ parts, glob }: PathTemplate): string {
  const path = parts.map((part) => ('selector' in part ? `{{${part.selector}}}` : part.text)).join('');
  return `/${path}${glob ? '*' : ''}`;
}

function entriesOf(grant: Grant): Array<[string, ParameterValue]> {
  const capabilities = grant.capabilities === 0 ? [] : namesOfMask(grant.capabilities);
  return [
    ['capabilities', capabilities],
    ['allowed_parameters', grant.allowed],
    ['denied_parameters', grant.denied],
    ['required_parameters', [...grant.required]],
    ['min_wrapping_ttl', grant.minWrapSeconds],
    ['max_wrapping_ttl', `${grant.maxWrapSeconds}s`],
  ];
}

function hcl(value: ParameterValue): string {
  if (typeof value === 'string') return text(value);
  if (typeof value !== 'object') return String(value);
  if (isMap(value)) return `{ ${[...value].map(([key, each]) => `${text(key)} = ${hcl(each)}`).join(', ')} }`;
  return `[${value.map(hcl).join(', ')}]`;
}

function json(value: ParameterValue): string {
  if (typeof value === 'string') return ascii(JSON.stringify(value));
  if (typeof value !== 'object') return JSON.stringify(value);
  if (isMap(value)) return `{${[...value].map(([key, each]) => `${json(key)}: ${json(each)}`).join(', ')}}`;
  return `[${value.map(json).join(', ')}]`;
}

function isMap(value: ParameterValue): value is ReadonlyMap<string, ParameterValue> {
  return value instanceof Map;
}

function text(value: string): string {
  let quoted = '';
  for (const letter of value) {
    const code = letter.codePointAt(0) ?? 0;
    const plain = code >= 0x20 && code < 0x7f && !'"\\$'.includes(letter);
    quoted += plain ? letter : `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `"${quoted}"`;
}

function ascii(quoted: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return quoted.replaceAll(/[^\x20-\x7e]/g, escaped);
}
