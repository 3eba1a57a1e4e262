import { Fault, fromUtf8, parseStrictJson } from '@sallyport/formats';

/** Bytes of a request as they come, counted: the first byte beyond `limitBytes` ends it with a Fault. */
export async function* limitedBody(
  source: AsyncIterable<Uint8Array>,
  limitBytes: number,
  touch: () => void,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of source) {
    touch();
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
    yield chunk;
  }
}

export function tooLarge(limitBytes: number): Fault {
  return new Fault(
    'exhausted',
    'http.body_too_large',
    `expected a body of at most ${limitBytes} bytes, got more`,
    {
      details: { limitBytes },
    },
  );
}

/** The whole body of a stream route, for the few that must see exact bytes (signatures of webhooks). */
export async function collectBody(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Strict JSON: duplicate keys, deep nesting, bad UTF-8 and trailing data are refused. No body is undefined. */
export function parseJsonBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  return parseStrictJson(fromUtf8(bytes), { maxBytes: Math.max(bytes.length, 1) });
}
