import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, type Identity, identityMigrations } from '#identity';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import { createLedger, type Ledger, ledgerMigrations } from '#ledger';
import { createIds, systemRandom } from '#platform';
import { authorityRoutes, federationRoutes, signingMigrations } from '#signing';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { type FixedClock, fixedClock, silentLog } from '../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../test-support/http.ts';
import { type OidcIssuer, openOidcIssuer } from '../../test-support/oidc-issuer.ts';
import { type Certificates, createCertificates } from './certificates.ts';

/** A certificate authority with everything it stands on, all of it real, and an issuer of tokens beside it. */
export interface CertificateWorld extends Certificates {
  readonly test: TestDb;
  readonly clock: FixedClock;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly identity: Identity;
  readonly issuer: OidcIssuer;
  readonly http: TestHttp;
  readonly publicUrl: string;
  close(): Promise<void>;
}

export async function openCertificateWorld(
  options: Parameters<typeof openTestHttp>[0],
): Promise<CertificateWorld> {
  const test = await openTestDb([
    ...keyringMigrations,
    ...ledgerMigrations,
    ...identityMigrations,
    ...signingMigrations,
  ]);
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-certificates-'));
  const clock = fixedClock(new Date());
  const ids = createIds({ clock, random: systemRandom });
  const seal = fileSeal(join(directory, 'root.key'), systemRandom);
  const publicUrl = 'https://sallyport.test';
  const outbox: { ledger?: Ledger } = {};
  const keyring = createKeyring({
    db: test.db,
    // The ledger signs with a key of the keyring, so the keyring's first events go through it when it is there.
    audit: { record: async (tx, event) => outbox.ledger?.record(tx, event) },
    clock,
    random: systemRandom,
    ids,
    seal,
    log: silentLog,
  });
  await keyring.open();
  const ledger = createLedger({
    db: test.db,
    clock,
    ids,
    signer: await keyring.signer('log'),
    origin: 'log.sallyport.test',
    log: silentLog,
  });
  outbox.ledger = ledger;
  const identity = createIdentity({
    db: test.db,
    audit: ledger,
    clock,
    random: systemRandom,
    ids,
    oidcSigner: await keyring.signer('oidc'),
    issuer: publicUrl,
  });
  const config = { publicUrl, installation: 'acme' };
  const made = createCertificates(
    { db: test.db, clock, random: systemRandom, log: silentLog, keyring, config },
    { identity, ledger },
  );
  const issuer = await openOidcIssuer(() => clock.now());
  const http = await openTestHttp({
    ...options,
    routes: [federationRoutes(made.federation), authorityRoutes(made.authority, made.federation)],
  });
  return {
    ...made,
    test,
    clock,
    keyring,
    ledger,
    identity,
    issuer,
    http,
    publicUrl,
    async close() {
      await http.close();
      await issuer.close();
      await ledger.stop();
      await keyring.close();
      await test.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
