import { request } from 'node:http';
import type { Backend } from './front.ts';

/** Undefined when healthy; else a sentence that says what came instead. */
export type HealthAnswer = string | undefined;

/**
 * Asks an instance once. With a path: HTTP, and a status from 200 to 399. Without: the connection must be taken and
 * kept for a moment, as the relay inside takes each and closes it when the service does not listen.
 */
export async function checkHealth(
  backend: Backend,
  path: string | undefined,
  timeoutMilliseconds: number,
): Promise<HealthAnswer> {
  return path === undefined
    ? await checkConnection(backend)
    : await checkHttp(backend, path, timeoutMilliseconds);
}

const keptMilliseconds = 150;

async function checkConnection(backend: Backend): Promise<HealthAnswer> {
  return await new Promise((resolve) => {
    try {
      const socket = backend.connect();
      const timer = setTimeout(() => {
        resolve(undefined);
        socket.destroy();
      }, keptMilliseconds);
      const refused = (): void => {
        clearTimeout(timer);
        resolve('the service does not take connections');
      };
      socket.once('error', refused);
      socket.once('close', refused);
      socket.once('end', refused);
      socket.resume();
    } catch {
      resolve('the sandbox is not up');
    }
  });
}

async function checkHttp(backend: Backend, path: string, timeoutMilliseconds: number): Promise<HealthAnswer> {
  return await new Promise((resolve) => {
    const asking = request({
      path,
      method: 'GET',
      headers: { host: 'localhost', 'user-agent': 'sallyport-health', connection: 'close' },
      createConnection: () => backend.connect(),
    });
    const timer = setTimeout(() => {
      resolve(`no answer within ${timeoutMilliseconds} ms`);
      asking.destroy();
    }, timeoutMilliseconds);
    const answer = (what: HealthAnswer): void => {
      clearTimeout(timer);
      resolve(what);
      asking.destroy();
    };
    asking.on('response', ({ statusCode = 0 }) => {
      answer(statusCode >= 200 && statusCode < 400 ? undefined : `GET ${path} answered ${statusCode}`);
    });
    asking.on('error', () => answer('the service does not answer'));
    asking.end();
  });
}
