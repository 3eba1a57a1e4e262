import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { healthOf } from './health.ts';
import type { ServerFacts } from './ports.ts';

const facts: ServerFacts = {
  clusterName: 'installation',
  clusterId: 'id',
  version: '0.1.0',
  startedAt: 0,
  storageType: 'pglite',
  replicated: false,
  address: 'https://127.0.0.1:8200',
};
const open = { initialised: true, sealed: false };
const sealed = { initialised: true, sealed: true };
const fresh = { initialised: false, sealed: true };

describe('health', () => {
  it.each([
    ['answering', open, {}, 200],
    ['sealed', sealed, {}, 503],
    ['not initialised', fresh, {}, 501],
    ['answering, with a code for it', open, { activecode: '204' }, 204],
    ['sealed, with a code for it', sealed, { sealedcode: '200' }, 200],
    ['not initialised, with a code for it', fresh, { uninitcode: '299' }, 299],
    [
      'answering, with codes for the rest',
      open,
      { sealedcode: '599', uninitcode: '599', standbycode: '599' },
      200,
    ],
    ['answering, with standbyok', open, { standbyok: 'true' }, 200],
  ])('is told by the status while %s', (_name, status, query, code) => {
    expect(healthOf(status, facts, query, 0).status).toBe(code);
  });

  it('tells clients the version of the API, and our own beside it', () => {
    const { body } = healthOf(open, facts, {}, 1_700_000_000_999);

    expect(body).toMatchObject({
      initialized: true,
      sealed: false,
      standby: false,
      version: '1.16.0',
      sallyport_version: '0.1.0',
      server_time_utc: 1_700_000_000,
      cluster_name: 'installation',
    });
  });

  it('does not name the installation while it is sealed', () => {
    expect(healthOf(sealed, facts, {}, 0).body).not.toHaveProperty('cluster_id');
  });

  it('gives no status that is none, whatever is asked for', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('activecode', 'sealedcode', 'standbycode'),
        fc.oneof(fc.string(), fc.integer().map(String)),
        (name, value) => {
          try {
            const { status } = healthOf(open, facts, { [name]: value }, 0);
            expect(status >= 200 && status <= 599).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ kind: 'invalid' });
          }
        },
      ),
    );
  });
});
