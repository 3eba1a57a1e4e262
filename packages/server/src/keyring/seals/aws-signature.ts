import { createHash, createHmac } from 'node:crypto';

/** AWS Signature Version 4, for requests whose path and query need no encoding beyond what `URL` does. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Signable {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The headers to send: those given and, signed with them, the date, the session token and the authorization. */
export function signAws(
  request: Signable,
  scope: { readonly region: string; readonly service: string },
  credentials: AwsCredentials,
  now: Date,
): Record<string, string> {
  const { host, pathname, searchParams } = new URL(request.url);
  const timestamp = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = timestamp.slice(0, 8);
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const sent: Record<string, string> = { ...request.headers, 'x-amz-date': timestamp };
  if (sessionToken !== undefined) sent['x-amz-security-token'] = sessionToken;

  const signed = Object.entries({ ...sent, host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/ +/g, ' ')] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const names = signed.map(([name]) => name).join(';');
  const query = [...searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
  const lines = signed.map(([name, value]) => `${name}:${value}\n`).join('');
  const canonical = [request.method, pathname, query, lines, names, hash(request.body)].join('\n');

  const place = `${day}/${scope.region}/${scope.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', timestamp, place, hash(canonical)].join('\n');
  const key = [scope.region, scope.service, 'aws4_request'].reduce(
    (from, part) => mac(from, part),
    mac(`AWS4${secretAccessKey}`, day),
  );
  const signature = mac(key, toSign).toString('hex');
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${place}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

/** RFC 3986: `encodeURIComponent` leaves five characters that AWS encodes. */
function encoded(text: string): string {
  const hex = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, hex);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
