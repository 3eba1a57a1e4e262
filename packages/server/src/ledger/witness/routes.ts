import { Fault, fromUtf8 } from '@sallyport/formats';
import { collectBody, type Routes } from '#platform';
import type { Witness } from './witness.ts';

/** Old size, 63 hashes and a note with 16 signatures fit easily. */
const maxRequestBytes = 64 * 1024;

/** The witness for other logs, below `/witness`. Its key is public, and only logs that are configured get an answer. */
export function witnessRoutes(witness: Witness): Routes {
  return (http) => {
    http.stream({
      method: 'POST',
      path: '/witness/add-checkpoint',
      summary: 'cosign the checkpoint of another log when it extends the last one (c2sp.org/tlog-witness)',
      access: { kind: 'public', reason: 'the signature of a configured log is what admits a request' },
      bodyLimitBytes: maxRequestBytes,
      handle: async (_request, reply, body) => {
        const answer = await witness.addCheckpoint(textOf(await collectBody(body)));
        if (answer.kind === 'cosigned') {
          await reply.headers({ 'content-type': 'text/plain; charset=utf-8' }).send(answer.line);
        } else {
          await reply
            .status(409)
            .headers({ 'content-type': 'text/x.tlog.size' })
            .send(`${answer.treeSize}\n`);
        }
      },
    });
    http.stream({
      method: 'GET',
      path: '/witness/key',
      summary: 'the key of this witness, as other logs configure it',
      access: { kind: 'public', reason: 'a public key: verifiers need it' },
      handle: async (_request, reply) => {
        await reply.headers({ 'content-type': 'text/plain; charset=utf-8' }).send(`${witness.verifierKey}\n`);
      },
    });
  };
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new Fault('invalid', 'ledger.add_checkpoint', 'expected UTF-8, got other bytes', { cause });
  }
}
