import { mkdirSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DeployReport, DesiredState } from '@sallyport/contract';
import {
  buildType,
  canonicalJson,
  type Digest,
  digestHex,
  digestOf,
  mediaTypes,
  type Provenance,
  placeUri,
  predicateTypes,
  type Revocations,
  revocationsSubject,
  type Statement,
  type TarEntry,
  utf8,
  writeTar,
} from '@sallyport/formats';
import { testInstallation } from '../../../../formats/test-support/evidence.ts';
import { createSandbox, type Sandbox } from '../../sandbox/index.ts';
import { silentLog } from '../../sandbox/test-support/sandbox.ts';
import { createDeployer, type Deployer } from '../deployer.ts';
import { baseLabel, type ImageSource } from '../release/releases.ts';
import { removeTree } from '../release/unpack.ts';
import type { Outside } from '../serving.ts';

export const place = { project: 'shop', environment: 'prod', service: 'orders' } as const;
export const ociRepository = 'shop/orders';

/** A registry in memory. `corrupt` makes it answer other bytes for a digest. */
export interface TestRegistry {
  manifest: ImageSource['manifest'];
  blob: ImageSource['blob'];
  readonly blobs: Map<string, Uint8Array>;
  corrupt(digest: Digest): void;
  fetches: number;
}

export function testRegistry(): TestRegistry {
  const blobs = new Map<string, Uint8Array>();
  const get = (digest: Digest): Uint8Array => {
    const bytes = blobs.get(digest);
    if (bytes === undefined) throw new Error(`no blob ${digest}`);
    return bytes;
  };
  const registry: TestRegistry = {
    blobs,
    fetches: 0,
    corrupt(digest) {
      const bytes = Uint8Array.from(get(digest));
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      blobs.set(digest, bytes);
    },
    manifest: async (_, digest) => {
      registry.fetches += 1;
      return get(digest);
    },
    blob: async (_, digest) => {
      async function* stream(): AsyncGenerator<Uint8Array> {
        const bytes = get(digest);
        for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
      }
      return stream();
    },
  };
  return registry;
}

export const file = (path: string, text: string, mode = 0o644): TarEntry => ({
  path,
  type: 'file',
  body: utf8(text),
  mode,
  mtimeSeconds: 1,
});

/** Puts an image of these layers into the registry. */
export function pushImage(
  registry: TestRegistry,
  layers: readonly (readonly TarEntry[])[],
  command: readonly string[],
): { readonly digest: Digest; readonly layers: readonly Digest[] } {
  const put = (bytes: Uint8Array): { digest: Digest; size: number } => {
    const digest = digestOf(bytes);
    registry.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const tars = layers.map((entries) => writeTar(entries));
  const packed = tars.map((tar) => put(gzipSync(tar)));
  const config = put(
    utf8(
      canonicalJson({
        architecture: 'amd64',
        os: 'linux',
        config: {
          Cmd: command,
          WorkingDir: '/app',
          Env: ['FROM_IMAGE=yes'],
          Labels: { [baseLabel]: 'host' },
        },
        rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
      }),
    ),
  );
  const manifest = put(
    utf8(
      canonicalJson({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: { mediaType: mediaTypes.ociConfig, ...config },
        layers: packed.map((each) => ({ mediaType: mediaTypes.ociLayerGzip, ...each })),
      }),
    ),
  );
  return { digest: manifest.digest, layers: packed.map(({ digest }) => digest) };
}

/** Runs a script on the node that every service's sandbox brings for its relay. */
export const nodeCommand = [
  '/bin/sh',
  '-c',
  'exec /.sallyport/lib/ld-* --library-path /.sallyport/lib /.sallyport/node server.cjs',
];

/** An HTTP service that says which version it is; `/slow` takes a while, `/crash` ends it. */
export const server = (version: string, extra = ''): string => `
  ${extra}
  const http = require('node:http');
  const { readFileSync } = require('node:fs');
  const server = http.createServer((request, response) => {
    if (request.url === '/crash') process.exit(3);
    if (request.url === '/healthz' && globalThis.sick) { response.statusCode = 500; return response.end(); }
    if (request.url === '/sick') globalThis.sick = true;
    const body = JSON.stringify({ version: '${version}', token: process.env.TOKEN, image: process.env.FROM_IMAGE,
      text: (() => { try { return readFileSync('/app/text.txt', 'utf8') } catch { return undefined } })() });
    setTimeout(() => response.end(body), request.url === '/slow' ? 400 : 0);
  });
  server.listen(Number(process.env.PORT), '127.0.0.1');
  process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
`;

export interface World {
  readonly directory: string;
  readonly registry: TestRegistry;
  readonly port: number;
  readonly sandbox: Sandbox;
  readonly installation: ReturnType<typeof testInstallation>;
  /** A revocation list of this installation, issued now and valid for an hour unless said otherwise. */
  revocations(list?: Partial<Revocations>): string;
  desired(digest: Digest, revision: number, change?: DesiredChange): DesiredState;
  deployer(outside?: Partial<Outside>): Deployer;
  close(): Promise<void>;
}

export interface DesiredChange {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly verdictResult?: 'PASSED' | 'FAILED';
  readonly verdictSubject?: Digest;
  readonly environment?: string;
}

export async function openWorld(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-deploy-'));
  const registry = testRegistry();
  const installation = testInstallation();
  const clock = { now: () => new Date() };
  const sandbox = await createSandbox({
    stateDirectory: join(directory, 'sandbox'),
    node: process.execPath,
    clock,
    log: silentLog,
  });
  mkdirSync(join(directory, 'deploy'));
  const port = await freePort();
  const opened: Deployer[] = [];
  const first = revocationList(installation);
  return {
    directory,
    registry,
    port,
    sandbox,
    installation,
    revocations: (list) => (list === undefined ? first : revocationList(installation, list)),
    desired: (digest, revision, change = {}) => desiredState(installation, digest, revision, port, change),
    deployer(outside = {}) {
      const deployer = createDeployer({
        sandbox,
        directory: join(directory, 'deploy'),
        images: registry,
        trustRoot: () => installation.trustRoot,
        outside: { secrets: async () => [], ...outside },
        clock,
        log: silentLog,
      });
      opened.push(deployer);
      return deployer;
    },
    async close() {
      for (const deployer of opened) await deployer.close();
      await removeTree(directory);
    },
  };
}

export function revocationList(
  installation: ReturnType<typeof testInstallation>,
  list: Partial<Revocations> = {},
): string {
  const now = Date.now();
  const statement: Statement<Revocations> = {
    subject: revocationsSubject(installation.trustRoot.installation),
    predicateType: predicateTypes.revocations,
    predicate: {
      installation: installation.trustRoot.installation,
      sequence: 1,
      issuedAt: new Date(now).toISOString(),
      nextUpdate: new Date(now + 3_600_000).toISOString(),
      entries: [],
      ...list,
    },
  };
  return installation.seal(statement)[0] ?? '';
}

function desiredState(
  installation: ReturnType<typeof testInstallation>,
  digest: Digest,
  revision: number,
  port: number,
  change: DesiredChange,
): DesiredState {
  const at = '2026-11-20T10:00:00Z';
  const provenance: Statement<Provenance> = {
    subject: { name: ociRepository, digest },
    predicateType: predicateTypes.provenance,
    predicate: {
      buildDefinition: { buildType, externalParameters: {} },
      runDetails: { builder: { id: installation.trustRoot.builderId } },
    },
  };
  const [provenanceBundle = ''] = installation.seal(provenance);
  const verdict: Statement = {
    subject: { name: ociRepository, digest: change.verdictSubject ?? digest },
    predicateType: predicateTypes.verdict,
    predicate: {
      verifier: { id: installation.trustRoot.verifierId },
      timeVerified: at,
      resourceUri: placeUri({ ...place, environment: change.environment ?? place.environment }),
      policy: { uri: 'sallyport:policy' },
      inputAttestations: [{ digest: { sha256: digestHex(digestOf(utf8(provenanceBundle))) } }],
      verificationResult: change.verdictResult ?? 'PASSED',
      verifiedLevels: [],
    },
  };
  const [verdictBundle = ''] = installation.seal(verdict);
  const statement: Statement = {
    subject: { name: ociRepository, digest },
    predicateType: predicateTypes.desiredState,
    predicate: {
      ...place,
      revision,
      ociRepository,
      promotionId: 'prm_01990000-0000-7000-8000-000000000000',
      reason: 'promotion',
      verdict: digestOf(utf8(verdictBundle)),
      spec: {
        target: { type: 'process', port, health: { path: '/healthz', timeout: '5s', interval: '1s' } },
        drift: 'correct',
        ...change.spec,
      },
      at,
    },
  };
  const [bundle = ''] = installation.seal(statement);
  return {
    ...{ ...place, revision, digest, ociRepository, statement: bundle, verdict: verdictBundle },
    provenance: [provenanceBundle],
  };
}

export async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export function onlyReport(deployer: Deployer): DeployReport {
  const [report] = deployer.reports();
  if (report === undefined) throw new Error('no report');
  return report;
}

/** Waits until `holds`, or fails with the last report. */
export async function until(
  deployer: Deployer,
  what: string,
  holds: (report: DeployReport) => boolean,
  milliseconds = 10_000,
): Promise<DeployReport> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const report = onlyReport(deployer);
    if (holds(report)) return report;
    if (performance.now() > deadline) throw new Error(`not ${what}: ${JSON.stringify(report, undefined, 2)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
