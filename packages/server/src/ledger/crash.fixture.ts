import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { writeSync } from 'node:fs';
import { utf8 } from '@sallyport/formats';
import { createIds, openDatabase, systemClock, systemRandom } from '#platform';
import { silentLog } from '../../test-support/fakes.ts';
import { demoMigration, putItem } from './demo.fixture.ts';
import { createLedger, type LedgerSigner, ledgerMigrations } from './index.ts';

/**
 * The child of crash.test.ts: appends as fast as it can to a durable database, from several writers, and writes an id
 * to stdout when its transaction, or its proof, was acknowledged. Killed by its parent.
 *
 * argv: directory of the database, private key (PKCS #8, base64), name of this round
 */
const [directory = '', key = '', round = ''] = process.argv.slice(2);

export function signerFrom(pkcs8Base64: string): LedgerSigner {
  const privateKey = createPrivateKey({
    key: Buffer.from(pkcs8Base64, 'base64'),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    keyId: 'crash',
    publicKeySpki: Uint8Array.from(spki),
    sign: (bytes) => Uint8Array.from(sign(null, bytes, privateKey)),
  };
}

if (directory !== '') {
  const db = await openDatabase({ kind: 'directory', directory }, silentLog);
  await db.migrate([...ledgerMigrations, demoMigration]);
  const ids = createIds({ clock: systemClock, random: systemRandom });
  const ledger = createLedger({
    db,
    clock: systemClock,
    ids,
    signer: signerFrom(key),
    origin: 'log.example/crash',
    log: silentLog,
  });
  ledger.start();
  writeSync(1, 'ready\n');
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let i = 0; ; i += 1) {
      const entryId = await db.write(async (tx) => {
        await putItem(ledger, tx, `item-${writer}`, `${round}/${i}`);
        return ledger.appendEvidence(tx, utf8(`evidence ${round}/${writer}/${i}`));
      });
      // Synchronous: what is printed is acknowledged, and what was acknowledged is printed or its process is dead.
      writeSync(1, `appended ${entryId}\n`);
      if (i % 3 === 0) {
        const proof = await ledger.proofFor(entryId);
        writeSync(1, `proved ${entryId} ${proof.leafIndex}\n`);
        writeSync(1, `head ${Buffer.from(proof.checkpoint).toString('base64')}\n`);
      }
    }
  });
  await Promise.all(writers);
}
