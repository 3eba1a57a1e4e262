import { Agent } from 'node:https';
import createClient, { type client as NodeVault } from 'node-vault';
import type { TlsServer } from './server.ts';

/** node-vault as it is published, on one connection that stays open: an answer that is one byte off spoils the next. */
export interface Recorded {
  readonly client: NodeVault;
  /** Connections made so far. */
  connections(): number;
  close(): void;
}

/** Commands that were called, over all clients of a file. */
export function createRecorder() {
  const driven = new Set<string>();

  function connect(
    server: TlsServer,
    options: {
      readonly token?: string;
      readonly getList?: true;
      readonly certificate?: { readonly cert: string; readonly key: string };
    } = {},
  ) {
    const agent = new Agent({ ...options.certificate, ca: server.ca, keepAlive: true, maxSockets: 1 });
    let connections = 0;
    const dial = agent.createConnection.bind(agent);
    agent.createConnection = (...args) => {
      connections += 1;
      return dial(...args);
    };
    const plain = createClient({
      endpoint: server.address,
      ...(options.token === undefined ? {} : { token: options.token }),
      noCustomHTTPVerbs: options.getList ?? false,
      // Axios' own option, which its types leave out.
      requestOptions: { httpsAgent: agent, proxy: false },
    } as Parameters<typeof createClient>[0]);
    const commands = new Set(Object.keys(plain.commands));
    const client = new Proxy(plain, {
      get(target, name, receiver) {
        if (typeof name === 'string' && commands.has(name)) driven.add(name);
        return Reflect.get(target, name, receiver);
      },
    });
    const recorded: Recorded = { client, connections: () => connections, close: () => agent.destroy() };
    return recorded;
  }

  return { driven, connect };
}

/** The status and first error of an answer that node-vault takes for a failure. */
export async function refusal(call: Promise<unknown>): Promise<{ status: number; error: string }> {
  try {
    await call;
  } catch (error) {
    const { response } = error as { response?: { statusCode: number; body?: { errors?: string[] } } };
    if (response === undefined) throw error;
    return { status: response.statusCode, error: response.body?.errors?.[0] ?? '' };
  }
  throw new Error('expected a refusal, got an answer');
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
