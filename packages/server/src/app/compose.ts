import { mkdir } from 'node:fs/promises';
import { Fault } from '@sallyport/formats';
import { createKeyring, fileSeal } from '#keyring';
import { createAudit } from '#ledger';
import {
  type Config,
  createIds,
  createListener,
  databaseOf,
  type HttpServer,
  type Log,
  openDatabase,
  systemClock,
  systemRandom,
} from '#platform';
import { migrations } from './contexts.ts';
import { createLife } from './life.ts';

export interface Sallyport {
  /** Throws while the server is sealed. */
  readonly http: HttpServer;
  start(options: { readonly localAgent: boolean }): Promise<Started>;
  /** Finishes requests in flight, then everything that runs, the keys and the database, in this order. */
  stop(): Promise<void>;
}

export interface Started {
  readonly url: string;
  /** People have to bring shares before it does anything but say so. */
  readonly sealed: boolean;
  /** Only while no administrator exists. */
  readonly bootstrapToken?: string;
}

/**
 * The server: a listener, a database and a keyring, always; and once the keyring is open, everything else. Sealed, it
 * answers what one must know to unseal it, and nothing more.
 */
export async function compose(
  config: Config,
  log: Log,
  onDatabaseStopped: (reason: string) => void,
): Promise<Sallyport> {
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const [clock, random] = [systemClock, systemRandom];
  const ids = createIds({ clock, random });
  const db = await openDatabase(databaseOf(config, onDatabaseStopped), log);
  await db.migrate(migrations);
  const audit = createAudit({ clock, ids });
  const keyring = createKeyring({
    db,
    audit,
    clock,
    random,
    ids,
    seal: fileSeal(config.keyFile, random),
    log,
  });
  const listener = createListener({
    log,
    ids,
    config: {
      host: config.listenHost,
      port: config.listenPort,
      graceSeconds: config.stopGraceSeconds,
      maxConnections: config.connectionLimit,
    },
  });
  const life = createLife({ config, log, clock, random, ids, db, audit, keyring, listener });

  return {
    get http() {
      if (life.opened === undefined) throw new Fault('unavailable', 'keyring.closed', 'the server is sealed');
      return life.opened.http;
    },
    async start(options) {
      const { open, bootstrapToken } = await life.begin(options);
      const { url } = await listener.listen();
      return { url, sealed: !open, ...(bootstrapToken === undefined ? {} : { bootstrapToken }) };
    },
    async stop() {
      await listener.stop();
      await life.end();
      await keyring.close();
      await db.close();
    },
  };
}
