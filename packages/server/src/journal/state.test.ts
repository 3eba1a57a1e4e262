import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCiphers } from './ciphers.ts';
import { createRecordSet } from './record-set.ts';
import { createState, type State } from './state.ts';
import { createStateHash, sameSum } from './state-hash.ts';
import type { Codec, RecordCipher, Space, Turn } from './turn.ts';

/** Seals by XOR and names the address, so that tests see what is sealed; the real cipher is in journal.test.ts. */
function plainCipher(): RecordCipher {
  let count = 0;
  return {
    newestVersion: 1,
    keyVersionOf: () => 1,
    seal(address, plaintext) {
      count += 1;
      return Buffer.from(JSON.stringify([count, address, Buffer.from(plaintext).toString('hex')]));
    },
    open(address, sealed) {
      const [, of, hex] = JSON.parse(Buffer.from(sealed).toString());
      return of === address ? Buffer.from(hex, 'hex') : undefined;
    },
    rewrap: (_, sealed) => sealed,
    refresh: async () => undefined,
  };
}

const stateHash = createStateHash(Buffer.alloc(32, 1));

function newState(): State {
  const ciphers = createCiphers(() => undefined);
  ciphers.set('s', plainCipher());
  ciphers.set('t', plainCipher());
  return createState(stateHash, ciphers);
}

const inTurn = <R>(state: State, look: (space: Space, turn: Turn) => R): R =>
  state.turn(0, (turn) => look(turn.space('s'), turn));
const textAt = (state: State, path: string): string | undefined =>
  inTurn(state, (space) => space.get(path)?.toString());

const json: Codec<{ readonly n: number }> = {
  decode: (bytes) => JSON.parse(bytes.toString()),
  encode: (value) => Buffer.from(JSON.stringify(value)),
  kept: true,
};
const secretJson: Codec<{ readonly n: number }> = { ...json, kept: false };

describe('a turn', () => {
  it('wipes what it is given, also when it refuses it', () => {
    const state = newState();
    const good = Buffer.from('secret');
    const bad = Buffer.from('secret');

    inTurn(state, (space) => space.put('a', good));
    for (const path of ['', 'a\0b', 'x'.repeat(2001), 'ä'.repeat(1001), '\ud800']) {
      expect(() => inTurn(state, (space) => space.put(path, bad))).toThrow(
        expect.objectContaining({ kind: 'invalid', code: 'journal.path' }),
      );
      expect(bad.every((byte) => byte === 0)).toBe(true);
      bad.write('secret');
    }

    expect(good.every((byte) => byte === 0)).toBe(true);
    expect(state.pending().changes).toHaveLength(1);
    inTurn(state, (space) => space.put('ä'.repeat(1000), Buffer.from('x')));
  });

  it('keeps what a codec keeps and nothing else', () => {
    const state = newState();
    inTurn(state, (space) => {
      space.write('kept', json, { n: 1 });
      space.write('secret', secretJson, { n: 2 });
    });

    const [kept, again, secret, secretAgain] = inTurn(state, (space) => [
      space.read('kept', json),
      space.read('kept', json),
      space.read('secret', secretJson),
      space.read('secret', secretJson),
    ]);

    expect(kept).toBe(again);
    expect(secret).toEqual({ n: 2 });
    expect(secret).not.toBe(secretAgain);
    expect(inTurn(state, (space) => space.read('none', json))).toBeUndefined();
  });

  it('gives the kept value of before back when its change is undone', () => {
    const state = newState();
    inTurn(state, (space) => space.write('a', json, { n: 1 }));
    state.settle(state.pending().sum);

    inTurn(state, (space, turn) => {
      space.write('a', json, { n: 2 });
      expect(space.read('a', json)).toEqual({ n: 2 });
      turn.undo();
      expect(space.read('a', json)).toEqual({ n: 1 });
    });

    expect(state.pending().changes).toEqual([]);
  });

  it('undoes its own changes only', () => {
    const state = newState();
    inTurn(state, (space) => space.put('a', Buffer.from('first')));
    inTurn(state, (space, turn) => {
      space.put('a', Buffer.from('second'));
      space.put('b', Buffer.from('second'));
      turn.undo();
    });

    expect([textAt(state, 'a'), textAt(state, 'b')]).toEqual(['first', undefined]);
  });

  it('is of no use once its decision has returned', () => {
    const state = newState();
    const late = inTurn(state, (space, turn) => ({ space, turn }));
    const over = expect.objectContaining({ code: 'journal.turn_over' });
    const bytes = Buffer.from('late');

    expect(() => late.space.put('a', bytes)).toThrow(over);
    expect(() => late.space.get('a')).toThrow(over);
    expect(() => late.space.delete('a')).toThrow(over);
    expect(() => late.space.list('')).toThrow(over);
    expect(() => late.turn.undo()).toThrow(over);
    expect(state.pending().changes).toEqual([]);
    expect(bytes.toString()).toBe('\0\0\0\0');
  });

  it('leaves no change behind of a record that it made and removed', () => {
    const state = newState();
    inTurn(state, (space) => {
      space.put('a', Buffer.from('x'));
      space.delete('a');
      space.delete('never there');
    });

    expect(state.pending().changes).toEqual([]);
    expect(sameSum(state.pending().sum, state.sum)).toBe(true);
  });
});

describe('changes of a batch', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), path: fc.constantFrom('a', 'a/', 'a/b', 'b') }),
    fc.record({ kind: fc.constant('delete' as const), path: fc.constantFrom('a', 'a/', 'a/b', 'b') }),
    fc.record({ kind: fc.constant('back' as const), path: fc.constant('') }),
    fc.record({ kind: fc.constant('settle' as const), path: fc.constant('') }),
  );

  it('bring another copy of the records to the same state and sum, whatever was undone between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const state = newState();
        const copy = createRecordSet(stateHash);
        const settle = (): void => {
          const { changes, sum } = state.pending();
          for (const change of changes) copy.load(change);
          state.settle(sum);
          expect(sameSum(copy.sum, state.sum)).toBe(true);
        };
        for (const { kind, path } of steps) {
          if (kind === 'put') inTurn(state, (space) => space.put(path, Buffer.from('x')));
          if (kind === 'delete') inTurn(state, (space) => space.delete(path));
          if (kind === 'back') state.backTo(Math.floor(state.mark() / 2));
          if (kind === 'settle') settle();
        }
        settle();

        expect(state.size()).toBe(copy.size());
        for (const path of ['a', 'a/', 'a/b', 'b']) {
          const held = [...state.records('s')].find(([each]) => each === path)?.[1];
          expect(copy.of('s').get(path)?.sealed).toEqual(held);
        }
        for (const directory of ['', 'a/']) {
          expect(inTurn(state, (space) => space.list(directory))).toEqual(copy.of('s').children(directory));
        }
      }),
    );
  });

  it('go back all the way to what was settled', () => {
    const state = newState();
    inTurn(state, (space) => space.put('a', Buffer.from('settled')));
    state.settle(state.pending().sum);
    state.turn(0, (turn) => {
      turn.space('s').put('a', Buffer.from('x'));
      turn.space('s').delete('a');
      turn.space('t').put('a', Buffer.from('y'));
    });
    expect(state.pending().changes).toHaveLength(2);

    state.backTo(0);

    expect(textAt(state, 'a')).toBe('settled');
    expect(state.size()).toBe(1);
  });
});
