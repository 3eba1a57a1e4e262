import { mkdir } from 'node:fs/promises';
import { Fault } from '@sallyport/formats';
import { createKeyring, createSeal, parseSeal, type SealDeps } from '#keyring';
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
  tlsFilesOf,
} from '#platform';
import { configuredDevices } from '#vault';
import { auditSettingsOf } from './audit-settings.ts';
import { migrations } from './contexts.ts';
import { createLife, type StartOptions, type StartTokens } from './life.ts';

export interface Sallyport {
  /** Throws while the server is sealed. */
  readonly http: HttpServer;
  start(options: StartOptions): Promise<Started>;
  /** After a log rotation: files and connections of audit devices are opened anew. Harmless at any time. */
  hangUp(): Promise<void>;
  /** Finishes requests in flight, then everything that runs, the keys and the database, in this order. */
  stop(): Promise<void>;
}

export interface Started extends StartTokens {
  readonly url: string;
  /** People have to bring shares before it does anything but say so. */
  readonly sealed: boolean;
}

/**
 * The server: a listener, a database and a keyring, always; and once the keyring is open, everything else. Sealed, it
 * answers what one must know to unseal it, and nothing more.
 */
export async function compose(
  config: Config,
  log: Log,
  onDatabaseStopped: (reason: string) => void,
  environment: SealDeps['environment'] = {},
): Promise<Sallyport> {
  // A mistake in them is told before anything is begun.
  configuredDevices(auditSettingsOf(config));
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  const [clock, random] = [systemClock, systemRandom];
  const ids = createIds({ clock, random });
  const db = await openDatabase(databaseOf(config, onDatabaseStopped), log);
  await db.migrate(migrations);
  const audit = createAudit({ clock, ids });
  const seal = (text: string) =>
    createSeal(parseSeal(text, config.keyFile), { random, clock, log, fetch, environment });
  const keyring = createKeyring({
    db,
    audit,
    clock,
    random,
    ids,
    log,
    seal: seal(config.seal),
    ...(config.previousSeal === undefined ? {} : { previousSeal: seal(config.previousSeal) }),
  });
  const listener = createListener({
    log,
    ids,
    config: {
      host: config.listenHost,
      port: config.listenPort,
      graceSeconds: config.stopGraceSeconds,
      maxConnections: config.connectionLimit,
      tls: tlsFilesOf(config),
    },
  });
  const life = createLife({ config, log, clock, random, ids, db, audit, keyring, listener });

  return {
    get http() {
      if (life.opened === undefined) throw new Fault('unavailable', 'keyring.closed', 'the server is sealed');
      return life.opened.http;
    },
    async start(options) {
      const { open, ...tokens } = await life.begin(options);
      const { url } = await listener.listen();
      return { url, sealed: !open, ...tokens };
    },
    async hangUp() {
      await life.opened?.vault.audit.reopen();
    },
    async stop() {
      await listener.stop();
      await life.end();
      await keyring.close();
      await db.close();
    },
  };
}
