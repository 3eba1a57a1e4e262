import { utf8 } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { readSecret } from '../../input.ts';
import { fieldsOf, lines, textOf } from './answers.ts';
import { withVault } from './connect.ts';
import { jsonObject } from './values.ts';

export const vaultWrap: Command = {
  name: ['vault', 'wrap'],
  summary: 'put a JSON object away, for one reader, and print the token that gives it once',
  args: [{ name: 'FILE', doc: '@FILE.json, or - for standard input' }],
  flags: { ttl: { type: 'string', value: 'TIME', doc: 'how long it can be read, default 5m' } },
  examples: ['sally vault wrap @handover.json --ttl 1h', `echo '{"password":"…"}' | sally vault wrap -`],
  run: async (invocation) => {
    const body = await jsonObject(invocation.arg(0));
    const headers = { 'x-vault-wrap-ttl': invocation.flag('ttl') ?? '5m' };
    const info = await withVault(invocation, async (client) => {
      const answer = await client.request({ method: 'POST', path: 'sys/wrapping/wrap', body, headers });
      const found = fieldsOf(answer.plain('wrap_info'));
      answer.wipe();
      return found;
    }).finally(() => body.fill(0));
    invocation.out.data(info, () => textOf(info['token']));
    invocation.out.note(`good for one reading within ${textOf(info['ttl'])} s: sally vault unwrap`);
    return undefined;
  },
};

export const vaultUnwrap: Command = {
  name: ['vault', 'unwrap'],
  summary: 'read what was put away; the wrapping token comes from standard input or is asked for',
  more: ['If it was read before, somebody else has it: say so to who sent the token.'],
  examples: ['sally vault unwrap', 'sally vault unwrap --json < wrapping.token'],
  run: async (invocation) => {
    const { out } = invocation;
    const token = await readSecret('wrapping token');
    const headers = { 'x-vault-token': token.exposeUtf8().trim() };
    await withVault(invocation, async (client) => {
      // Only with that token: one's own would not be the right to read it.
      const answer = await client.openRequest({
        method: 'POST',
        path: 'sys/wrapping/unwrap',
        body: {},
        headers,
      });
      const place = answer.find('data') ?? answer.find('auth');
      if (place === undefined) out.data({}, () => '');
      else if (out.json) {
        await out.bytes(answer.raw(place).expose());
        await out.bytes(utf8('\n'));
      } else {
        const fields = [...place.members].map(
          ([name, value]) => [name, answer.secret(value).exposeUtf8()] as const,
        );
        out.data({}, () => lines(Object.fromEntries(fields)));
      }
      answer.wipe();
    });
    token.wipe();
    return undefined;
  },
};
