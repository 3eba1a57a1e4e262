import { fromBase64 } from '../bytes/encodings.ts';
import { Fault } from '../fault.ts';

const label =
  /^-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n?-----END ([A-Z0-9 ]{1,40})-----\s*$/;
const maxPem = 100_000;

/** Reads one PEM block (RFC 7468) and nothing around it. Throws Fault `invalid` unless its label is one of `labels`. */
export function readPem(
  text: string,
  labels: readonly string[],
): { readonly label: string; readonly der: Uint8Array } {
  const match = text.length > maxPem ? null : label.exec(text);
  const [, begin = '', body = '', end] = match ?? [];
  if (match === null || begin !== end || !labels.includes(begin)) {
    throw new Fault(
      'invalid',
      'formats.pem',
      `expected one PEM block ${labels.join(' or ')}, got other text`,
    );
  }
  return { label: begin, der: fromBase64(body.replace(/[\r\n]/g, '')) };
}
