import { Fault } from '@sallyport/formats';

/**
 * The body of an answer, read as it comes. It holds the answer too: Node cancels a body nobody has begun to read when
 * the Response it belongs to is collected, and the reader then sees a clean end, after no bytes at all.
 */
export async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  yield* response.body ?? [];
}

/** The whole body as text; what is longer is cut off at the source, before it fills the memory. */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  // Leaving the loop early cancels the body and so closes the connection.
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new Fault(
        'exhausted',
        'sdk.answer_too_large',
        `expected at most ${maxBytes} bytes, the answer has more`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
