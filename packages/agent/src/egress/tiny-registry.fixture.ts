import { createHash } from 'node:crypto';
import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** An upstream registry for tests, that misbehaves as told. Not part of the agent. */
export interface TinyRegistry {
  readonly url: string;
  readonly requests: string[];
  readonly headers: Record<string, string | string[] | undefined>[];
  publish(name: string, version: string, tarball: Uint8Array, options?: Published): string;
  /** Answers this path instead of what was published. */
  answer(path: string, how: (response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export interface Published {
  readonly time?: string | null;
  readonly integrity?: string;
  readonly tarballUrl?: string;
  readonly fields?: Record<string, unknown>;
}

export function sha512Integrity(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

export async function startTinyRegistry(): Promise<TinyRegistry> {
  const documents = new Map<string, { versions: Record<string, unknown>; time: Record<string, string> }>();
  const tarballs = new Map<string, Uint8Array>();
  const special = new Map<string, (response: ServerResponse) => void>();
  const requests: string[] = [];
  const headers: TinyRegistry['headers'] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(`${request.method} ${path}`);
    headers.push(request.headers);
    const how = special.get(path);
    if (how !== undefined) return how(response);
    const tarball = tarballs.get(path);
    if (tarball !== undefined) return void response.end(tarball);
    const name = decodeURIComponent(path.slice(1));
    const document = documents.get(name);
    if (document === undefined) {
      response.statusCode = 404;
      return void response.end('{"error":"not found"}');
    }
    response.setHeader('content-type', 'application/json');
    const latest = Object.keys(document.versions).at(-1);
    response.end(JSON.stringify({ name, 'dist-tags': { latest }, ...document }));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // listening on TCP
  return {
    url,
    requests,
    headers,
    publish(name, version, tarball, options = {}) {
      const document = documents.get(name) ?? { versions: {}, time: {} };
      documents.set(name, document);
      const path = `/${name}/-/${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;
      tarballs.set(path, tarball);
      const integrity = options.integrity ?? sha512Integrity(tarball);
      document.versions[version] = {
        name,
        version,
        dist: { tarball: options.tarballUrl ?? new URL(path, url).href, integrity },
        ...options.fields,
      };
      if (options.time !== null) document.time[version] = options.time ?? '2020-01-01T00:00:00.000Z';
      return integrity;
    },
    answer: (path, how) => void special.set(path, how),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: Record<string, string | string[] | undefined>;
}

/** One request over a unix socket, with the path exactly as given. */
export function ask(
  socketPath: string,
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((done, fail) => {
    const sent = request({ socketPath, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () =>
        done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks), headers: response.headers }),
      );
    });
    sent.on('error', fail);
    sent.end();
  });
}

/** A CONNECT over a unix socket: the tunnel, or the refusal's status. */
export function tunnel(
  socketPath: string,
  target: string,
): Promise<{ status: number; socket: Duplex; text?: string }> {
  return new Promise((done, fail) => {
    const sent = request({ socketPath, path: target, method: 'CONNECT', agent: false });
    sent.on('connect', (response, socket, head) => {
      const status = response.statusCode ?? 0;
      if (status === 200) return done({ status, socket });
      socket.on('error', () => socket.destroy());
      if (head.length > 0) return done({ status, socket, text: head.toString() });
      socket.on('data', (chunk: Buffer) => done({ status, socket, text: chunk.toString() }));
    });
    sent.on('error', fail);
    sent.end();
  });
}
