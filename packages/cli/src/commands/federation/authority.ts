import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

export const authorityShow: Command = {
  name: ['authority', 'show'],
  summary: 'show the chains of the certificate authority, the one that issues first',
  more: ['--json has the certificates; /trusted_root.json has them for the clients of Sigstore.'],
  examples: ['sally authority show', 'sally authority show --json'],
  run: async (invocation) => {
    const chains = await connect(invocation).federation.chains();
    const rows = chains.map(({ number, validFrom, validUntil }) => [String(number), validFrom, validUntil]);
    invocation.out.data(chains, () => table(['CHAIN', 'FROM', 'UNTIL'], rows));
    return undefined;
  },
};

export const authorityRotate: Command = {
  name: ['authority', 'rotate'],
  summary: 'issue certificates under a new intermediate; those before stay valid',
  flags: {
    'new-root': { type: 'boolean', doc: 'a new root as well: verifiers need the new trusted_root.json' },
  },
  examples: ['sally authority rotate', 'sally authority rotate --new-root'],
  run: async (invocation) => {
    const chain = await connect(invocation).federation.rotate(invocation.on('new-root'));
    invocation.out.data(chain, () => `chain ${chain.number} issues from now on, until ${chain.validUntil}`);
    invocation.out.note(
      'verifiers that pinned trusted_root.json need the new one to accept what is signed from now on',
    );
    return undefined;
  },
};
