import { systemRandom } from '#platform';
import { openVault, type TestAnswer, type TestVault } from '../../../../test-support/vault.ts';
import { createMethods } from '../methods.ts';

/** A vault with all login methods mounted in `default/default`, whose passwords cost little. */
export async function openMethods() {
  const methods = createMethods({
    random: systemRandom,
    passwordCost: { cost: 1024, blockSize: 8, parallelization: 1 },
  });
  const vault = await openVault({ auth: methods });
  return { ...vault, ...verbsOf(vault) };
}

export type Methods = Awaited<ReturnType<typeof openMethods>>;

function verbsOf(vault: TestVault) {
  const post = (path: string, body: object = {}, token?: string | null): Promise<TestAnswer> =>
    vault.request('POST', path, { body, ...(token === undefined ? {} : { token }) });
  const get = (path: string, token?: string | null): Promise<TestAnswer> =>
    vault.request('GET', path, token === undefined ? {} : { token });

  /** What an operator writes, which must succeed. */
  async function write(path: string, body: object = {}): Promise<void> {
    const answer = await post(path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
  }

  return {
    post,
    get,
    write,
    policy: (name: string, text: string) => write(`sys/policies/acl/${name}`, { policy: text }),
    /** The accessor of a login method. */
    async accessor(path: string): Promise<string> {
      return (await get('sys/auth')).body.data[`${path}/`].accessor;
    },
  };
}

/** What clients see of a refusal. */
export function refusal(status: number, ...errors: readonly unknown[]) {
  return { status, body: { errors } };
}
