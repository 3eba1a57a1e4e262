import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newMount } from '../mounts/new-mount.ts';
import { pairMounts } from './mount-pairs.ts';

const mount = (path: string, environment: string, version = '2') =>
  newMount({ path, kind: 'secret', type: 'kv', environment, options: { version } });
const pair = (...mounts: ReturnType<typeof mount>[]) => {
  const { pairs, unpaired } = pairMounts(mounts, 'shop', { from: 'dev', to: 'prod' });
  return { pairs: pairs.map(({ from, to }) => [from.path, to.path]), unpaired };
};

describe('mounts of two environments', () => {
  it('belong together by their paths without the names of the environments', () => {
    expect(pair(mount('shop/dev/', 'shop/dev'), mount('shop/prod/', 'shop/prod')).pairs).toEqual([
      ['shop/dev/', 'shop/prod/'],
    ]);
    expect(
      pair(
        mount('kv-dev/', 'shop/dev'),
        mount('team/dev/kv/', 'shop/dev'),
        mount('team/prod/kv/', 'shop/prod'),
        mount('kv-prod/', 'shop/prod'),
      ).pairs,
    ).toEqual([
      ['kv-dev/', 'kv-prod/'],
      ['team/dev/kv/', 'team/prod/kv/'],
    ]);
  });

  it('belong together when each is the only one, and are not guessed otherwise', () => {
    const one = mount('alpha/', 'shop/dev');
    const two = mount('beta/', 'shop/prod');

    expect(pair(one, two)).toEqual({ pairs: [['alpha/', 'beta/']], unpaired: [] });
    expect(pair(one, two, mount('gamma/', 'shop/prod'))).toEqual({ pairs: [], unpaired: ['alpha/'] });
    expect(pair(one, mount('developer/', 'shop/dev'), mount('producer/', 'shop/prod'))).toEqual({
      pairs: [],
      unpaired: ['alpha/', 'developer/'],
    });
  });

  it('are only those of the project that keep versions', () => {
    expect(
      pair(
        mount('dev/', 'shop/dev', '1'),
        mount('prod/', 'shop/prod'),
        mount('x/', 'other/dev'),
        mount('y/', 'other/prod'),
      ),
    ).toEqual({ pairs: [], unpaired: [] });
  });

  it('are each in one pair at most, whatever their paths', () => {
    const path = fc.stringMatching(/^[a-c]{0,2}(dev|prod)?[-/]?[a-c]{1,2}$/).map((each) => `${each}/`);
    fc.assert(
      fc.property(
        fc.uniqueArray(path, { maxLength: 6 }),
        fc.uniqueArray(path, { maxLength: 6 }),
        (froms, tos) => {
          const { pairs, unpaired } = pair(
            ...froms.map((each) => mount(each, 'shop/dev')),
            ...tos.map((each) => mount(each, 'shop/prod')),
          );

          expect(new Set(pairs.map(([from]) => from)).size).toBe(pairs.length);
          expect(new Set(pairs.map(([, to]) => to)).size).toBe(pairs.length);
          expect([...pairs.map(([from]) => from), ...unpaired].sort()).toEqual([...froms].sort());
        },
      ),
    );
  });
});
