import { describe, expect, it } from 'vitest';
import { madeTree } from '../checks/tree.ts';
import { doorsDoc, exportsOf } from './doors.ts';

const door = 'packages/server/src/ledger/index.ts';

describe('doors', () => {
  it('lists what a door exports, types marked, sorted', () => {
    const tree = madeTree({
      [door]:
        "// export { no } from './no.ts';\nexport { type Ledger, createLedger as make } from './ledger.ts';\nexport type { Proof } from './proof.ts';\nexport * from './events.ts';",
      'packages/server/src/ledger/events.ts':
        'export interface Event {}\nexport const kinds = [];\nexport type kinds = 1;\nexport function of() {}\nconst inner = 1;',
    });

    expect(Object.fromEntries(exportsOf(tree, door))).toEqual({
      Ledger: true,
      make: false,
      Proof: true,
      Event: true,
      kinds: false,
      of: false,
    });
    expect(doorsDoc(tree)).toContain(
      '## server/ledger\n\n- `Event` (type)\n- `Ledger` (type)\n- `Proof` (type)\n- `kinds`\n',
    );
  });

  it('is another text when a door changes, so that the check of the document fails', () => {
    const before = doorsDoc(madeTree({ [door]: "export { a } from './a.ts';" }));

    expect(doorsDoc(madeTree({ [door]: "export { a, b } from './a.ts';" }))).not.toBe(before);
    expect(doorsDoc(madeTree({ [door]: "export { type a } from './a.ts';" }))).not.toBe(before);
  });
});
