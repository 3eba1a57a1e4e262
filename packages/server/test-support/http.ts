import { Fault } from '@sallyport/formats';
import type { Actor, Authorize, HttpConfig, HttpServer, Routes } from '#platform';
import { createHttp } from '../src/platform/http/server.ts';
import { allowAll, countingIds, silentLog } from './fakes.ts';

export interface TestHttp {
  readonly url: string;
  readonly http: HttpServer;
  close(): Promise<void>;
}

/**
 * A real server on a free loopback port with the given routes. `actors` are known by their token:
 * `{ 'token-ada': person('ada') }`.
 */
export async function openTestHttp(options: {
  readonly routes: readonly Routes[];
  readonly actors?: Readonly<Record<string, Actor>>;
  readonly authorize?: Authorize;
  readonly health?: Readonly<Record<string, () => Promise<void>>>;
  readonly config?: Partial<HttpConfig>;
}): Promise<TestHttp> {
  const actors = new Map(Object.entries(options.actors ?? {}));
  const http = await createHttp({
    authenticate: async (token) => {
      const actor = actors.get(token);
      if (actor === undefined) throw new Fault('unauthenticated', 'identity.token', 'the token is not valid');
      return actor;
    },
    authorize: options.authorize ?? allowAll,
    log: silentLog,
    ids: countingIds(),
    health: options.health ?? {},
    config: {
      host: '127.0.0.1',
      port: 0,
      version: '0.0.0',
      graceSeconds: 5,
      maxConnections: 1000,
      ...options.config,
    },
  });
  for (const routes of options.routes) routes(http);
  const { url } = await http.listen();
  return { url, http, close: () => http.stop() };
}
