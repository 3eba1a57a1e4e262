import { createHmac, timingSafeEqual } from 'node:crypto';
import { Fault, type SecretBytes, utf8 } from '@sallyport/formats';

export const webhookProviders = ['github', 'gitlab', 'gitea'] as const;
export type WebhookProvider = (typeof webhookProviders)[number];

export interface WebhookRequest {
  readonly provider: WebhookProvider;
  /** Lower-case names; a header that came twice is no string and counts as absent. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
  readonly secret: SecretBytes;
  readonly now: Date;
}

/**
 * What an authentic delivery is worth: a hint to look at the repository now. Refs, commits and trust are read from git
 * itself, so nothing in the body can name a commit that the repository does not have, and a replay changes nothing.
 */
export interface WebhookDelivery {
  readonly id: string;
  readonly event: string;
}

/** A signature with a time may be this far from our clock (Standard Webhooks 1.0.0, "Verifying webhook authenticity"). */
const toleranceSeconds = 300;

/** Gives the delivery when its signature is right, else throws `pipeline.webhook_refused` without saying what was wrong. */
export function verifyWebhook(request: WebhookRequest): WebhookDelivery {
  const { provider, headers } = request;
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' && value.length <= 1000 ? value : undefined;
  };
  // The key of an empty secret is known to everybody.
  if (request.secret.expose().length < 16) throw refused('the secret is too short');
  switch (provider) {
    case 'github':
      checkMac(request, prefixed(header('x-hub-signature-256'), 'sha256='), 'hex');
      return delivery(header('x-github-delivery'), header('x-github-event'));
    case 'gitea':
      checkMac(request, header('x-gitea-signature'), 'hex');
      return delivery(header('x-gitea-delivery'), header('x-gitea-event'));
    case 'gitlab': {
      const event = header('x-gitlab-event');
      if (header('webhook-signature') === undefined) {
        // Older GitLab sends the secret itself, which proves who sent it but not what was sent.
        checkToken(header('x-gitlab-token'), request.secret);
        return delivery(header('x-gitlab-event-uuid'), event);
      }
      return delivery(checkStandard(request, header), event);
    }
  }
}

type ReadHeader = (name: string) => string | undefined;

/** Standard Webhooks: HMAC over `id.timestamp.body`, so that id and time are as authentic as the body. */
function checkStandard(request: WebhookRequest, header: ReadHeader): string | undefined {
  const id = header('webhook-id');
  const timestamp = header('webhook-timestamp') ?? '';
  if (id === undefined || !/^[0-9]{1,12}$/.test(timestamp)) throw refused('no id or time');
  const age = Math.abs(request.now.getTime() / 1000 - Number(timestamp));
  if (age > toleranceSeconds) throw refused('a time too far from now');
  const text = request.secret.exposeUtf8();
  const key = text.startsWith('whsec_') ? Buffer.from(text.slice(6), 'base64') : request.secret.expose();
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(request.body).digest();
  const given = (header('webhook-signature') ?? '').split(' ').slice(0, 10);
  const isRight = given.map(
    (each) => each.startsWith('v1,') && same(Buffer.from(each.slice(3), 'base64'), mac),
  );
  if (!isRight.includes(true)) throw refused('a wrong signature');
  return id;
}

function checkMac({ body, secret }: WebhookRequest, given: string | undefined, encoding: 'hex'): void {
  const mac = createHmac('sha256', secret.expose()).update(body).digest();
  // Buffer.from stops at the first character that is no hex: the length check in `same` catches that.
  if (given === undefined || !same(Buffer.from(given, encoding), mac)) throw refused('a wrong signature');
}

function checkToken(given: string | undefined, secret: SecretBytes): void {
  // Hashed first, so that the comparison takes the same time for every length.
  const hash = (bytes: Uint8Array): Buffer => createHmac('sha256', 'sallyport').update(bytes).digest();
  if (given === undefined || !timingSafeEqual(hash(utf8(given)), hash(secret.expose()))) {
    throw refused('a wrong token');
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);

const prefixed = (value: string | undefined, prefix: string): string | undefined =>
  value?.startsWith(prefix) === true ? value.slice(prefix.length) : undefined;

function delivery(id: string | undefined, event = 'unknown'): WebhookDelivery {
  if (id === undefined || !/^[A-Za-z0-9_.-]{1,100}$/.test(id)) throw refused('no delivery id');
  return { id, event: event.slice(0, 100) };
}

/** The cause is for our own log: the sender learns only that it was refused. */
const refused = (why: string): Fault =>
  new Fault('unauthenticated', 'pipeline.webhook_refused', 'the webhook was refused', {
    hint: 'check that both sides have the same secret',
    cause: new Error(why),
  });
