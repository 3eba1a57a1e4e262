import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { definitionJsonSchema, definitionSchemaText } from './schema.ts';

const minimal = `version: 1
triggers: { push: [main] }
build:
  image: host
  steps: [{ name: a, run: make }]
  artifacts: [{ name: app, type: oci, paths: [dist], base: scratch, command: [./app] }]
environments: { dev: { target: { type: process, port: 4001 } } }
`;

/** Calls `visit` for every object in the schema with the path that led to it. */
function walk(
  node: unknown,
  path: string,
  visit: (node: Record<string, unknown>, path: string) => void,
): void {
  if (typeof node !== 'object' || node === null) return;
  if (!Array.isArray(node)) visit(node as Record<string, unknown>, path);
  for (const [key, inner] of Object.entries(node)) walk(inner, `${path}/${key}`, visit);
}

describe('definitionJsonSchema', () => {
  it('is what docs/sallyport.schema.json says (else run write-schema.ts)', () => {
    const file = new URL('../../../../docs/sallyport.schema.json', import.meta.url);

    expect(readFileSync(file, 'utf8')).toBe(definitionSchemaText());
  });

  it('is a schema another implementation accepts, and it admits and refuses like the parser', () => {
    const validate = new Ajv2020({ strict: false }).compile(definitionJsonSchema());

    expect(validate(parse(minimal))).toBe(true);
    expect(validate(parse(minimal.replace('image: host', 'image: node:26')))).toBe(false);
    expect(validate(parse(`${minimal}extra: 1\n`))).toBe(false);
    expect(validate(parse(minimal.replace('dev:', 'DEV:')))).toBe(false);
  });

  it('is closed everywhere and describes every key', () => {
    const open: string[] = [];
    const silent: string[] = [];
    walk(definitionJsonSchema(), '', (node, path) => {
      if (node['type'] === 'object' && node['additionalProperties'] !== false) open.push(path);
      for (const [key, inner] of Object.entries((node['type'] === 'object' && node['properties']) || {})) {
        if (typeof inner !== 'object' || inner === null || !('description' in inner))
          silent.push(`${path}/${key}`);
      }
    });

    expect(open).toEqual([]);
    expect(silent).toEqual([]);
  });

  it('uses no keyword that the reader does not know', () => {
    const known = new Set(
      'type const anyOf required properties patternProperties additionalProperties items pattern description minLength maxLength minimum maximum minItems maxItems minProperties maxProperties $schema $id title'.split(
        ' ',
      ),
    );
    const unknown: string[] = [];
    walk(definitionJsonSchema(), '', (node, path) => {
      if (/\/(properties|patternProperties)$/.test(path)) return;
      unknown.push(...Object.keys(node).filter((key) => !known.has(key)));
    });

    expect(unknown).toEqual([]);
  });
});
