import { createHash, createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecretBytes } from '@sallyport/formats';
import type { Clock } from '#platform';
import { type Device, deviceFailed, deviceRefused } from './device.ts';

export interface WebhookOptions {
  /** `https:`, or `http:` to a loopback address. */
  readonly url: URL;
  /** Signs what is sent. */
  readonly key: SecretBytes;
  /** Sent along: an `authorization` of the receiver, say. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Attempts of one `write`, with pauses between them that begin at `retryMs` and double. */
  readonly attempts: number;
  readonly retryMs: number;
}

export interface WebhookDeps {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

const tryAgain = new Set([408, 425, 429]);

/**
 * Posts lines (`application/x-ndjson`) to a receiver, which says with 2xx that it has them. Each delivery carries
 * `sallyport-delivery`, the SHA-256 of the body, by which a receiver drops what came twice, and `sallyport-signature:
 * t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>` under the shared key, so that nobody else can add lines
 * and an old delivery can be told by its time. Redirects are not followed.
 */
export function createWebhookDevice(options: WebhookOptions, deps: WebhookDeps): Device {
  let closing = new AbortController();

  async function post(body: Buffer, delivery: string): Promise<number> {
    const seconds = Math.floor(deps.clock.now().getTime() / 1000);
    const signature = createHmac('sha256', options.key.expose())
      .update(`${seconds}.`)
      .update(body)
      .digest('hex');
    const response = await deps.fetch(options.url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        ...options.headers,
        'content-type': 'application/x-ndjson',
        'sallyport-delivery': delivery,
        'sallyport-signature': `t=${seconds},v1=${signature}`,
      },
      body: new Uint8Array(body),
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(options.timeoutMs)]),
    });
    // What the receiver says beyond its status is nobody's business here; unread it would hold the connection.
    await response.body?.cancel();
    return response.status;
  }

  async function deliver(body: Buffer, delivery: string, last: boolean): Promise<boolean> {
    let status: number;
    try {
      status = await post(body, delivery);
    } catch (cause) {
      if (!last) return false;
      throw deviceFailed('write', 'the receiver of audit lines could not be reached', cause);
    }
    if (status >= 200 && status < 300) return true;
    if (status >= 500 || tryAgain.has(status)) {
      if (!last) return false;
      throw deviceFailed('write', `expected status 2xx of the receiver of audit lines, got ${status}`);
    }
    throw deviceRefused('refused', `expected status 2xx of the receiver of audit lines, got ${status}`);
  }

  return {
    async write(lines) {
      const body = Buffer.concat(lines);
      const delivery = createHash('sha256').update(body).digest('hex');
      let pause = options.retryMs;
      for (let attempt = 1; ; attempt++) {
        if (await deliver(body, delivery, attempt >= options.attempts)) return;
        await sleep(pause, undefined, { signal: closing.signal }).catch((cause) => {
          throw deviceFailed('write', 'the delivery of audit lines was broken off', cause);
        });
        pause *= 2;
      }
    },
    async reopen() {
      closing.abort();
      closing = new AbortController();
    },
    async close() {
      closing.abort();
      options.key.wipe();
    },
  };
}
