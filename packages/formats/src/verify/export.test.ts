import { describe, expect, it } from 'vitest';
import { testInstallation } from '../../test-support/evidence.ts';
import { place, statementOf } from '../../test-support/statements.ts';
import { fromUtf8, utf8 } from '../bytes/bytes.ts';
import { type Digest, digestHex, digestOf } from '../bytes/digest.ts';
import { isFault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import { blobPath, exportLayout } from '../oci/layout.ts';
import { bundleReferrer } from '../oci/referrer.ts';
import { mediaTypes } from '../oci/types.ts';
import type { Revocation, Revocations, RevocationTarget } from '../predicates/revocations.ts';
import { placeUri, type Verdict } from '../predicates/verdict.ts';
import { verifyExport } from './export.ts';

const installation = testInstallation();
const { trustRoot } = installation;
const layer = utf8('layer');
const config = utf8(
  canonicalJson({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  }),
);
const manifest = utf8(
  canonicalJson({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: mediaTypes.ociLayer, digest: digestOf(layer), size: layer.length }],
  }),
);
const subject = digestOf(manifest);

type Files = Map<string, Uint8Array>;

function filesOf(bundles: readonly string[]): Files {
  const { files, blobs } = exportLayout(manifest, bundles);
  const all: Files = new Map(files.map(({ path, bytes }) => [path, bytes]));
  for (const { path, digest } of blobs) all.set(path, digest === digestOf(layer) ? layer : config);
  return all;
}

const reader = (files: Files) => (path: string) => {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no file ${path}`);
  return bytes;
};

const refuses = async (files: Files, environment?: string): Promise<string> => {
  try {
    await verifyExport(reader(files), trustRoot, environment === undefined ? {} : { environment });
  } catch (error) {
    if (isFault(error) && error.kind === 'integrity') return error.message;
    throw error;
  }
  return 'accepted';
};

const sealed = (...verdicts: Partial<Verdict>[]) =>
  installation.seal(
    statementOf('provenance', subject),
    ...verdicts.map((changes) => statementOf('verdict', subject, changes)),
  );

describe('verifyExport', () => {
  it('accepts what exportLayout made, and reports it in the order of the log', async () => {
    const [provenance = '', verdict = ''] = sealed({});

    const report = await verifyExport(reader(filesOf([verdict, provenance])), trustRoot, {
      environment: 'prod',
    });

    expect(report.subject).toBe(subject);
    expect(report.layers).toBe(1);
    expect(report.imageBytes).toBe(manifest.length + config.length + layer.length);
    expect(report.evidence.map((e) => e.predicateType)).toEqual([
      'https://slsa.dev/provenance/v1',
      'https://slsa.dev/verification_summary/v1',
    ]);
    expect(report.verdict?.verdict.resourceUri).toBe(placeUri(place));
    expect(filesOf([verdict, provenance])).toEqual(filesOf([provenance, verdict]));
  });

  it('refuses every flipped bit of every file', async () => {
    const files = filesOf(sealed());
    expect(await refuses(files)).toBe('accepted');
    const survived: string[] = [];
    for (const [path, bytes] of files) {
      // A bundle's own bits have a test of their own: here its digest stands for all of them.
      for (let at = 0; at < bytes.length; at += path.startsWith('blobs/') ? 7 : 1) {
        for (const bit of [1, 4, 32]) {
          const changed = Uint8Array.from(bytes);
          changed[at] = (bytes[at] ?? 0) ^ bit;
          const result = await refuses(new Map([...files, [path, changed]])).catch(() => 'file not found');
          if (result === 'accepted') survived.push(`${path} byte ${at} bit ${bit}`);
        }
      }
    }

    expect(survived).toEqual([]);
  });

  it('refuses every file that is missing, cut or longer', async () => {
    const files = filesOf(sealed());
    for (const [path, bytes] of files) {
      const without = new Map(files);
      without.delete(path);
      expect(await refuses(without)).toContain('does not verify');
      expect(await refuses(new Map([...files, [path, bytes.subarray(1)]]))).not.toBe('accepted');
      expect(await refuses(new Map([...files, [path, Uint8Array.from([...bytes, 0])]]))).not.toBe('accepted');
    }
  });

  it('refuses genuine evidence about another image, and by another builder', async () => {
    const about = (digest: Digest, changes = {}) =>
      installation.seal(statementOf('provenance', digest, changes));
    const foreign = about(subject, {
      runDetails: { builder: { id: 'https://evil.test/builder' } },
    });

    expect(await refuses(filesOf(about(digestOf(layer))))).toContain('subject');
    expect(await refuses(filesOf(foreign))).toContain('builder');
  });

  it('refuses a referrer that is attached to another image', async () => {
    const [bundle = ''] = sealed();
    const files = filesOf([bundle]);
    const stray = bundleReferrer(
      { mediaType: mediaTypes.ociManifest, digest: digestOf(layer), size: 5 },
      bundle,
      'https://slsa.dev/provenance/v1',
    );
    const image = { mediaType: mediaTypes.ociManifest, digest: subject, size: manifest.length };
    files.set(blobPath(stray.descriptor.digest), stray.manifest);
    files.set(
      'index.json',
      utf8(
        canonicalJson({
          schemaVersion: 2,
          mediaType: mediaTypes.ociIndex,
          manifests: [image, stray.descriptor],
        }),
      ),
    );

    expect(await refuses(files)).toContain('does not verify');
  });

  it('refuses an index in another order or that calls the image something else', async () => {
    const files = filesOf(sealed({}));
    const index = JSON.parse(fromUtf8(files.get('index.json') ?? new Uint8Array()));
    const [image, first, second] = index.manifests;
    const withIndex = (manifests: object[]) =>
      new Map([...files, ['index.json', utf8(canonicalJson({ ...index, manifests }))] as const]);

    expect(await refuses(withIndex([image, first, second]))).toBe('accepted');
    expect(await refuses(withIndex([image, second, first]))).toContain('does not verify');
    expect(await refuses(withIndex([image, first, first]))).toContain('does not verify');
    expect(await refuses(withIndex([first, second]))).toContain('does not verify');
    expect(await refuses(withIndex([{ ...image, mediaType: mediaTypes.dockerManifest }, first]))).toContain(
      'index.json',
    );
  });

  it('refuses an image whose config lists other layers than it has', async () => {
    const json = JSON.parse(fromUtf8(manifest));
    const wrong = utf8(canonicalJson({ ...json, layers: [...json.layers, ...json.layers] }));
    const { files } = exportLayout(wrong, []);
    const all: Files = new Map(files.map(({ path, bytes }) => [path, bytes]));
    all.set(blobPath(digestOf(layer)), layer).set(blobPath(digestOf(config)), config);

    expect(await refuses(all)).toContain('layers of the image config');
  });

  it('asks for the last verdict about the environment', async () => {
    const failed = { verificationResult: 'FAILED' } as const;
    const stage = { resourceUri: placeUri({ ...place, environment: 'stage' }) };

    expect(await refuses(filesOf(sealed()), 'prod')).toContain('verdict');
    expect(await refuses(filesOf(sealed(stage)), 'prod')).toContain('verdict');
    expect(await refuses(filesOf(sealed({}, failed)), 'prod')).toContain('PASSED');
    expect(await refuses(filesOf(sealed(failed, {})), 'prod')).toBe('accepted');
    expect(await refuses(filesOf(sealed({}, { ...failed, ...stage })), 'prod')).toBe('accepted');
  });

  it('notices evidence that the verdict judged and the export leaves out', async () => {
    const provenance = installation.seal(statementOf('provenance', subject))[0] ?? '';
    const judged = [{ digest: { sha256: digestHex(digestOf(utf8(provenance))) } }];
    const verdict =
      installation.seal(statementOf('verdict', subject, { inputAttestations: judged }))[0] ?? '';

    expect(await refuses(filesOf([provenance, verdict]), 'prod')).toBe('accepted');
    expect(await refuses(filesOf([verdict]), 'prod')).toContain('all that the verdict judged');
  });
});

describe('verifyExport with a revocation list', () => {
  const at = '2026-11-20T10:00:00Z';
  const files = filesOf(installation.seal(statementOf('provenance', subject)));
  const listWith = (target: RevocationTarget, from: Revocation['from'] = 'all'): Revocations => ({
    ...{ installation: 'example', sequence: 1, issuedAt: at, nextUpdate: '2026-11-21T10:00:00Z' },
    entries: [{ id: 'rev_1', target, from, reason: 'taken over', by: { id: 'psn_1', name: 'Ada' }, at }],
  });
  const verified = (revocations: Revocations) =>
    verifyExport(reader(files), trustRoot, { revocations }).then(
      () => 'accepted',
      (error: unknown) => (isFault(error) ? error.code : String(error)),
    );

  it('refuses a withdrawn digest and what only withdrawn builders built, and nothing else', async () => {
    const builder = { kind: 'builder', builder: trustRoot.builderId } as const;
    expect(await verified(listWith({ kind: 'digest', digest: subject }))).toBe('formats.revoked');
    expect(await verified(listWith(builder))).toBe('formats.revoked');
    expect(await verified(listWith(builder, { at, logIndex: 2 }))).toBe('formats.revoked');
    expect(await verified(listWith(builder, { at, logIndex: 3 }))).toBe('accepted');
    expect(await verified(listWith({ kind: 'builder', builder: 'https://other.example' }))).toBe('accepted');
    expect(await verified(listWith({ kind: 'digest', digest: digestOf(layer) }))).toBe('accepted');
  });
});
