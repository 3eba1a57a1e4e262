import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SecretBytes } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../../../test-support/fakes.ts';
import { line } from './receiver.fixture.ts';
import { createWebhookDevice, type WebhookOptions } from './webhook.ts';

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

let deliveries: Delivery[] = [];
let answer: (response: ServerResponse, attempt: number) => void = (response) => response.writeHead(204).end();
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    deliveries.push({ headers: request.headers, body: Buffer.concat(chunks) });
    answer(response, deliveries.length);
  });
});

beforeEach(async () => {
  deliveries = [];
  answer = (response) => response.writeHead(204).end();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const clock = fixedClock('2026-11-20T10:00:00.900Z');
function device(options: Partial<WebhookOptions> = {}) {
  // `as`: a server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo;
  return createWebhookDevice(
    {
      url: new URL(`http://127.0.0.1:${port}/audit`),
      key: SecretBytes.fromUtf8('key of the webhook'),
      headers: { authorization: 'Bearer receiver' },
      timeoutMs: 300,
      attempts: 3,
      retryMs: 5,
      ...options,
    },
    { clock, fetch },
  );
}

describe('a webhook device', () => {
  it('posts lines with a signature that a receiver can check, and a digest by which it knows them again', async () => {
    await device().write([line(1), line(2)]);

    const body = Buffer.concat([line(1), line(2)]);
    const seconds = Date.UTC(2026, 10, 20, 10) / 1000;
    expect(deliveries).toHaveLength(1);
    expect(deliveries[0]?.body).toEqual(body);
    expect(deliveries[0]?.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      authorization: 'Bearer receiver',
      'sallyport-delivery': createHash('sha256').update(body).digest('hex'),
      'sallyport-signature': `t=${seconds},v1=${createHmac('sha256', 'key of the webhook').update(`${seconds}.${body}`).digest('hex')}`,
    });
  });

  it('tries again after 5xx, 429, a broken connection and silence, with the same digest', async () => {
    answer = (response, attempt) => {
      if (attempt === 1) response.writeHead(503).end('busy');
      else if (attempt === 2) response.writeHead(429).end();
      else if (attempt === 3) response.destroy();
      else if (attempt > 4) response.writeHead(200).end('x'.repeat(100_000));
    };

    await device({ attempts: 5 }).write([line(1)]);

    expect(deliveries).toHaveLength(5);
    expect(new Set(deliveries.map(({ headers }) => headers['sallyport-delivery'])).size).toBe(1);
  });

  it('gives up as unavailable after its attempts', async () => {
    answer = (response) => response.writeHead(500).end();

    await expect(device().write([line(1)])).rejects.toMatchObject({ kind: 'unavailable' });
    expect(deliveries).toHaveLength(3);
  });

  it.each([301, 307, 400, 401, 413])(
    'does not repeat what was refused with %i, and follows nothing',
    async (status) => {
      answer = (response) => response.writeHead(status, { location: '/elsewhere' }).end();

      await expect(device().write([line(1)])).rejects.toMatchObject({ kind: 'invalid' });
      expect(deliveries).toHaveLength(1);
    },
  );

  it('breaks off when it is reopened or closed', async () => {
    answer = () => undefined;
    const slow = device({ timeoutMs: 60_000, attempts: 9, retryMs: 60_000 });

    const first = slow.write([line(1)]);
    const broken = expect(first).rejects.toThrow();
    while (deliveries.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await slow.close();
    await broken;
  });
});
