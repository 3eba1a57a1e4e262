import { randomUUID } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import { peerCertificateOf } from '#platform';
import { createHandler, type SealControl, type Vault } from '#vault';
import type { Ground } from './contexts.ts';

/** `/v1/` on the listener, for as long as the server lives. */
export interface VaultDoor {
  /** From now on requests are answered by this vault; by nobody when it is undefined. */
  answerWith(vault: Vault | undefined): void;
}

export function createVaultDoor({ listener, log }: Ground, control: SealControl): VaultDoor {
  let current: Vault | undefined;
  const { handle, quick } = createHandler({
    control,
    pipeline: {
      answer: (request, deadline) => {
        if (current === undefined) throw new Fault('unavailable', 'journal.closed', 'Vault is sealed');
        return current.pipeline.answer(request, deadline);
      },
    },
    log,
    requestId: randomUUID,
    certificateOf: peerCertificateOf,
  });
  listener.attach({ below: '/v1/', handle, quick });
  return {
    answerWith(vault) {
      current = vault;
    },
  };
}
