import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Quota, Quotas } from './quota.ts';
import { createQuotaGuard } from './quota-guard.ts';

const quota = (changes: Partial<Quota> = {}): Quota => ({
  name: 'q',
  path: '',
  rate: 5,
  interval: 1,
  blockInterval: 0,
  inheritable: true,
  ...changes,
});
const only = (...quotas: readonly Quota[]): Quotas => ({
  quotas,
  config: { exemptPaths: ['kv/open/*'], auditRefusals: false, headers: false },
});

/** How many of `count` requests at one moment are let in. */
function letIn(
  guard: ReturnType<typeof createQuotaGuard>,
  quotas: Quotas,
  path: string,
  address: string,
  now: number,
  count: number,
) {
  let allowed = 0;
  for (let index = 0; index < count; index += 1) {
    try {
      guard.check(quotas, path, address, now);
      allowed += 1;
    } catch (error) {
      expect(error).toMatchObject({ kind: 'exhausted', code: 'vault.rate_limit' });
    }
  }
  return allowed;
}

describe('a rate limit', () => {
  it('lets a client ask as often as the rate says, and again as time goes on', () => {
    const guard = createQuotaGuard();
    const quotas = only(quota());

    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 1000, 20)).toBe(5);
    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 1400, 20)).toBe(2);
    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 60_000, 20)).toBe(5);
  });

  it('counts clients apart', () => {
    const guard = createQuotaGuard();
    const quotas = only(quota());

    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 1000, 20)).toBe(5);
    expect(letIn(guard, quotas, 'kv/a', '10.0.0.2', 1000, 20)).toBe(5);
  });

  it.each([
    ['2001:db8::1', '2001:db8::2', true],
    ['2001:db8:0:0:1::1', '2001:db8:0000:0000:ffff::', true],
    ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['fe80::1%eth0', 'fe80::2%eth1', true],
    ['::1', '1::', false],
  ])('takes %s and %s for the same client: %s', (one, other, same) => {
    const guard = createQuotaGuard();
    const quotas = only(quota());
    letIn(guard, quotas, 'kv/a', one, 1000, 20);

    expect(letIn(guard, quotas, 'kv/a', other, 1000, 20)).toBe(same ? 0 : 5);
  });

  it('refuses a blocked client until its time is over', () => {
    const guard = createQuotaGuard();
    const quotas = only(quota({ blockInterval: 30 }));
    letIn(guard, quotas, 'kv/a', '10.0.0.1', 1000, 6);

    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 30_999, 3)).toBe(0);
    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 31_000, 3)).toBe(3);
  });

  it('is the one with the longest beginning of the path, and of whole segments', () => {
    const guard = createQuotaGuard();
    const quotas = only(
      quota({ rate: 9 }),
      quota({ name: 'kv', path: 'kv/', rate: 3 }),
      quota({ name: 'deep', path: 'kv/deep*', rate: 1 }),
    );

    expect(letIn(guard, quotas, 'kv/a', '10.0.0.1', 0, 20)).toBe(3);
    expect(letIn(guard, quotas, 'kv/deeper/a', '10.0.0.1', 0, 20)).toBe(1);
    expect(letIn(guard, quotas, 'kv-other/a', '10.0.0.1', 0, 20)).toBe(9);
  });

  it.each(['kv/open/a', 'sys/health', 'sys/unseal'])('does not hold for %s', (path) => {
    expect(letIn(createQuotaGuard(), only(quota()), path, '10.0.0.1', 0, 50)).toBe(50);
  });

  it('begins anew when it is changed', () => {
    const guard = createQuotaGuard();
    letIn(guard, only(quota()), 'kv/a', '10.0.0.1', 0, 20);

    expect(letIn(guard, only(quota({ rate: 7 })), 'kv/a', '10.0.0.1', 0, 20)).toBe(7);
  });

  it('lets clients beyond those it can remember share what one has', () => {
    const guard = createQuotaGuard();
    const quotas = only(quota({ rate: 1 }));
    for (let index = 0; index < 20_000; index += 1)
      guard.check(quotas, 'kv/a', `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, 0);

    const late = [1, 2, 3, 4].map((last) => letIn(guard, quotas, 'kv/a', `192.0.2.${last}`, 0, 1));

    expect(late).toEqual([1, 0, 0, 0]);
  });

  it('never lets in more than rate and elapsed time allow, whatever the clock does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 1, maxLength: 60 }),
        (rate, steps) => {
          const guard = createQuotaGuard();
          const quotas = only(quota({ rate }));
          let now = 1_000_000;
          let forward = 0;
          let allowed = 0;
          for (const step of steps) {
            now += step;
            forward += Math.max(0, step);
            allowed += letIn(guard, quotas, 'kv/a', '10.0.0.1', now, 3);
          }

          expect(allowed).toBeLessThanOrEqual(rate + (forward * rate) / 1000 + 1e-6);
        },
      ),
    );
  });
});
