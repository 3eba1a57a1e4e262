import { describe, expect, it } from 'vitest';
import { importsSection, withSection } from './imports.ts';

const made = {
  mayImport: { ledger: ['keyring'], keyring: [], release: ['ledger'] },
  packageMayImport: { formats: [], server: ['formats'] },
  onlyIn: [],
};

describe('the import diagram', () => {
  it('puts what is imported before what imports it, and marks exactly the edges', () => {
    expect(importsSection(made)).toContain(
      [
        'contexts  platform  keyring  ledger  release',
        'platform  \\         .        .       .',
        'keyring   x         \\        .       .',
        'ledger    x         x        \\       .',
        'release   x         .        x       \\',
        'app       x         x        x       x',
      ].join('\n'),
    );
  });

  it('is refused for a cycle', () => {
    expect(() => importsSection({ ...made, mayImport: { a: ['b'], b: ['a'] } })).toThrow('cycle among a, b');
  });

  it('replaces its own section only, and is another text when an edge is added', () => {
    const document = `before\n\n${importsSection(made)}\n\nafter\n`;
    const changed = { ...made, mayImport: { ...made.mayImport, release: ['ledger', 'keyring'] } };

    expect(withSection(document, importsSection(made))).toBe(document);
    const replaced = withSection(document, importsSection(changed));
    expect(replaced).not.toBe(document);
    expect(replaced.startsWith('before\n\n<!-- imports')).toBe(true);
    expect(replaced.endsWith('\n\nafter\n')).toBe(true);
  });
});
