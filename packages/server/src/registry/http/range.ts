import { Fault } from '@sallyport/formats';

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * One range of `Range: bytes=…` (RFC 9110 section 14.1.2) within `sizeBytes`; undefined means the whole. Several ranges
 * and other units are ignored, as the RFC allows; a range outside of the content is refused.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  const range =
    from === ''
      ? { start: Math.max(0, sizeBytes - Number(to)), end: sizeBytes - 1 }
      : { start: Number(from), end: to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1) };
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (range.start >= sizeBytes || range.start > range.end || (from === '' && Number(to) === 0))
    throw new Fault('invalid', 'registry.range_unsatisfiable', `expected a range within ${sizeBytes} bytes`, {
      details: { sizeBytes },
    });
  return range;
}

/** `Content-Range: <start>-<end>` of a chunk (OCI distribution 1.1, "Pushing a blob in chunks"); undefined without one. */
export function parseChunkRange(
  header: string | undefined,
  lengthBytes: number | undefined,
): { readonly start: number } | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
  const start = Number(match?.[1]);
  const end = Number(match?.[2]);
  if (match === null || end < start - 1 || (lengthBytes !== undefined && end - start + 1 !== lengthBytes))
    throw new Fault(
      'invalid',
      'registry.chunk_invalid',
      'expected content-range "<start>-<end>" that agrees with content-length',
    );
  return { start };
}
