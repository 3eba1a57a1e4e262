import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isThere, openRegistryServer, password } from './registry-server.fixture.ts';

/**
 * The conformance suite of the OCI distribution specification, all categories, on a real server. The suite is a program
 * of its own that no package registry offers: build it from the specification's repository and set OCI_CONFORMANCE to
 * its path. Without it the test is skipped and says so.
 */
const suite = process.env['OCI_CONFORMANCE'] ?? 'oci-conformance';
const found =
  process.env['OCI_CONFORMANCE'] !== undefined ||
  (await isThere('sh', ['-c', `command -v ${suite}`], 'set OCI_CONFORMANCE to the path of the suite'));

describe.skipIf(!found)('the OCI distribution conformance suite', () => {
  let server: Awaited<ReturnType<typeof openRegistryServer>>;
  beforeAll(async () => {
    server = await openRegistryServer('conformance');
  });
  afterAll(() => server.close());

  it('passes with everything of version 1.1 and what is optional in it', { timeout: 120_000 }, async () => {
    const results = join(server.directory, 'results');
    const output = await server.run(suite, [], {
      OCI_RESULTS_DIR: results,
      OCI_VERSION: '1.1',
      OCI_TLS: 'disabled',
      OCI_REGISTRY: server.host,
      OCI_USERNAME: 'any',
      OCI_PASSWORD: password,
      OCI_API_BLOBS_DIGEST_HEADER: 'true',
      OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
      OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
      OCI_API_MANIFESTS_TAG_PARAM: 'true',
    });

    expect(output).toMatch(/Blobs sha512\.*: +Pass/);
    // Every case is in the report, and none of them failed, broke or was left out because the server lacks it.
    const report = await readFile(join(results, 'junit.xml'), 'utf8');
    const [, tests = '0', failures, errors] =
      /<testsuite [^>]*tests="(\d+)"[^>]*failures="(\d+)"[^>]*errors="(\d+)"/.exec(report) ?? [];
    expect(Number(tests)).toBeGreaterThan(900);
    expect([failures, errors]).toEqual(['0', '0']);
  });
});
