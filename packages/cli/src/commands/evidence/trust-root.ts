import { parseTrustRoot, utf8 } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { open } from '../../connect.ts';

export const trustRoot: Command = {
  name: ['trust-root'],
  summary: 'print the signed trust root of the server: pin it once, then verification needs no server',
  examples: ['sally trust-root > trust-root.json'],
  run: async (invocation) => {
    const text = await open(invocation).evidence.trustRoot();
    parseTrustRoot(text);
    await invocation.out.bytes(utf8(text));
    return undefined;
  },
};
