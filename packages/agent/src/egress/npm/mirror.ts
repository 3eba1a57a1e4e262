import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isFault, npmPurl } from '@sallyport/formats';
import type { EgressLimits } from '../limits.ts';
import type { Recorder } from '../recorder.ts';
import { type Listening, listenOnSocket } from '../socket-server.ts';
import { parseWanted, type Wanted } from './coordinates.ts';
import { sameIntegrity, strongIntegrity } from './integrity.ts';
import type { PackagePolicy, PackageSource } from './package-source.ts';
import type { Packument } from './packument.ts';

/** Where a step finds the mirror: the relay of its sandbox carries this to the step's socket. */
export const mirrorAddress = 'http://127.0.0.1:4873/';

/**
 * The npm registry as one step sees it. It speaks HTTP to hostile code: two shapes of path, GET and HEAD, no body
 * read, a bounded number of connections. A tarball is given only after all its bytes were compared with the lock file.
 */
export async function openMirror(deps: {
  readonly source: PackageSource;
  readonly policy: PackagePolicy;
  readonly recorder: Recorder;
  readonly limits: EgressLimits;
  readonly socketPath: string;
  readonly log: { warn(fields: object, message: string): void };
}): Promise<Listening> {
  const { source, policy, recorder, limits, log } = deps;

  const packument = async (wanted: { name: string }, request: IncomingMessage, response: ServerResponse) => {
    const entry = {
      kind: 'npm-metadata',
      uri: `pkg:npm/${wanted.name.replace('@', '%40')}`,
      name: wanted.name,
      cache: 'none',
    } as const;
    const known = policy.lock.versionsOf(wanted.name).length > 0;
    const lock = known ? 'match' : 'absent';
    if (!known && policy.onUnverified === 'fail') {
      // Also shuts a leak: the name of a package that does not exist is a message to whoever reads the registry's log.
      recorder.record({ ...entry, decision: 'denied', reason: 'egress.not_in_lock', lock });
      return refuse(response, 403, 'egress.not_in_lock', `${wanted.name} is in no lock file of this commit`);
    }
    try {
      const document = await source.packument(wanted.name);
      const contradicted = contradiction(document, policy);
      if (contradicted !== undefined) {
        const reason = 'egress.integrity_mismatch';
        recorder.record({ ...entry, version: contradicted, decision: 'denied', reason, lock: 'mismatch' });
        const what = `${wanted.name}@${contradicted}`;
        return refuse(
          response,
          403,
          reason,
          `the registry offers ${what} with other bytes than the lock file pins`,
        );
      }
      const text = document.render(mirrorAddress);
      recorder.record({ ...entry, decision: 'allowed', lock });
      const corgi = request.headers.accept?.includes('application/vnd.npm.install-v1+json') === true;
      send(request, response, text, corgi ? 'application/vnd.npm.install-v1+json' : 'application/json');
    } catch (error) {
      if (!isFault(error) || error.kind === 'internal') throw error;
      recorder.record({ ...entry, decision: 'denied', reason: error.code, lock });
      refuse(response, error.kind === 'not_found' ? 404 : 502, error.code, error.message);
    }
  };

  const tarball = async (
    wanted: Extract<Wanted, { kind: 'tarball' }>,
    request: IncomingMessage,
    response: ServerResponse,
  ) => {
    const { name, version } = wanted;
    const outcome = await source.obtain(name, version, policy.lock.find(name, version));
    const entry = {
      kind: 'npm-tarball',
      uri: npmPurl(name, version),
      name,
      version,
      ...outcome.facts,
    } as const;
    if (outcome.decision === 'denied') {
      recorder.record({ ...entry, decision: 'denied', reason: outcome.code });
      return refuse(response, statusOf(outcome.code), outcome.code, outcome.message);
    }
    recorder.record({ ...entry, decision: 'allowed' });
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': outcome.file.digests.sizeBytes,
    });
    if (request.method === 'HEAD') return void response.end();
    await pipeline(createReadStream(outcome.file.path), response);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    request.resume(); // a body is not read, and not waited for
    const path = request.url ?? '';
    const deny = (status: number, reason: string, message: string) => {
      recorder.record({
        kind: 'npm-metadata',
        decision: 'denied',
        reason,
        uri: path,
        lock: 'not-applicable',
        cache: 'none',
      });
      refuse(response, status, reason, message);
    };
    if (!recorder.hasRoom()) return deny(429, 'egress.too_many_requests', 'this step has asked for too much');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return deny(405, 'egress.method', 'this mirror only answers GET and HEAD');
    }
    const wanted = parseWanted(path);
    if (wanted === undefined)
      return deny(400, 'egress.bad_path', 'expected the path of a package or of its tarball');
    return wanted.kind === 'packument'
      ? packument(wanted, request, response)
      : tarball(wanted, request, response);
  };

  const server = createServer({ keepAliveTimeout: 30_000, requestTimeout: 60_000, maxHeaderSize: 16_384 });
  server.maxConnections = limits.connectionsPerStep;
  server.on('request', (request, response) => {
    answer(request, response).catch((error: unknown) => {
      // Either the step hung up, or the agent failed; the step learns nothing of the agent's insides.
      if (response.destroyed) return;
      log.warn({ error, step: recorder.step }, 'the mirror could not answer');
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'egress.internal', 'the mirror failed; see the log of the agent');
    });
  });
  return listenOnSocket(server, deps.socketPath, new Set());
}

/**
 * The version of which the registry itself says that its bytes are not the pinned ones. npm would only print that two
 * digests differ and never ask for the tarball, so the record would not show it.
 */
function contradiction(document: Packument, policy: PackagePolicy): string | undefined {
  return policy.lock.versionsOf(document.name).find((version) => {
    const locked = policy.lock.find(document.name, version);
    const offered = strongIntegrity(document.find(version)?.integrity);
    if (locked.kind !== 'verifiable' || offered === undefined) return false;
    return offered.algorithm === locked.integrity.algorithm && !sameIntegrity(offered, locked.integrity);
  });
}

function send(request: IncomingMessage, response: ServerResponse, text: string, type: string): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** npm prints the `error` of a JSON body after the status, so this is what the author of a step reads. */
function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const text = JSON.stringify({ error: `sallyport: ${message} (${code})`, code });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function statusOf(code: string): number {
  if (code === 'egress.not_found' || code === 'egress.unknown_version') return 404;
  // npm tries 5xx again with long pauses; only what may pass deserves that.
  return code === 'egress.upstream_unavailable' ? 502 : 403;
}
