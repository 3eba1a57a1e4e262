import { parseTrustRoot } from '@sallyport/formats';
import { createTransport } from '@sallyport/sdk';
import type { Command } from '../../command.ts';

export const trustRoot: Command = {
  name: ['trust-root'],
  summary: 'print the signed trust root of the server: pin it once, then verification needs no server',
  examples: ['sally trust-root > trust-root.json'],
  run: async ({ out, settings }) => {
    const text = await (
      await createTransport({ address: settings.address }).raw('GET', '/api/trust-root')
    ).text();
    parseTrustRoot(text);
    out.bytes(new TextEncoder().encode(text));
    return undefined;
  },
};
