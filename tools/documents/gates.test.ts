import { readFile } from 'node:fs/promises';
import { isFault } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { compileGate } from '../../packages/server/src/release/policy/cel.ts';
import { evidenceVariables, factShapes } from '../../packages/server/src/release/policy/facts.ts';
import { librarySummaries } from '../../packages/server/src/release/policy/library.ts';
import { gateExamples, gatesDoc, refusedExamples } from './gates.ts';

describe('docs/gates.md', () => {
  it.each(Object.entries(gateExamples))('shows %s, which compiles', (name, cel) => {
    expect(compileGate(cel, name).source).toBe(cel);
    expect(gatesDoc()).toContain(cel);
  });

  it.each(refusedExamples)('says that %s is refused, and it is', (cel) => {
    let code: string | undefined;
    try {
      compileGate(cel, 'example');
    } catch (error) {
      code = isFault(error) ? error.code : undefined;
    }

    expect(code).toBe('release.gate_not_monotone');
  });

  it('has every gate of the library, every variable and every field', () => {
    const text = gatesDoc();

    for (const { name } of librarySummaries) expect(text).toContain(`| \`${name}\` |`);
    for (const [name, type] of Object.entries(evidenceVariables)) {
      expect(text).toContain(`| \`${name}\` | list(${type}) |`);
    }
    for (const [name, fields] of Object.entries(factShapes)) {
      const lines = Object.keys(fields).map((field) => `  ${field}: `);
      const section = text.slice(text.indexOf(`\n${name}\n`));
      for (const line of lines) expect(section).toContain(line);
    }
  });

  it('states the bounds that are compiled in', async () => {
    const source = await readFile(
      new URL('../../packages/server/src/release/policy/cel.ts', import.meta.url),
      'utf8',
    );

    expect(source).toContain('maxReads = 200_000;');
    expect(source).toContain('maxAstNodes: 600,');
  });
});
