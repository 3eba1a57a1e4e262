import { isUtf8 } from 'node:buffer';
import { Fault, type SecretBytes } from '@sallyport/formats';

/** A member of an object that is written from bytes: a text, or JSON that stands for itself. */
export type JsonPart =
  | { readonly text: SecretBytes }
  | { readonly json: Uint8Array }
  | { readonly parts: Readonly<Record<string, JsonPart>> };

/** The JSON of an object whose values never become JavaScript strings. The caller wipes what it gets. */
export function jsonOf(parts: Readonly<Record<string, JsonPart>>): Buffer {
  const chunks: Uint8Array[] = [];
  writeObject(parts, chunks);
  const json = Buffer.concat(chunks);
  // Members given as JSON belong to the caller; what was escaped here is ours.
  for (const chunk of chunks) if (escaped.has(chunk)) chunk.fill(0);
  return json;
}

const escaped = new WeakSet<Uint8Array>();

function writeObject(parts: Readonly<Record<string, JsonPart>>, chunks: Uint8Array[]): void {
  let lead = '{';
  for (const [name, part] of Object.entries(parts)) {
    chunks.push(Buffer.from(`${lead}${JSON.stringify(name)}:`));
    lead = ',';
    if ('text' in part) chunks.push(escapedText(part.text.expose(), name));
    else if ('json' in part) chunks.push(part.json);
    else writeObject(part.parts, chunks);
  }
  chunks.push(Buffer.from(lead === '{' ? '{}' : '}'));
}

function escapedText(text: Uint8Array, name: string): Uint8Array {
  if (!isUtf8(text)) {
    throw new Fault('invalid', 'vault.not_text', `expected the value of ${name} to be UTF-8 text`, {
      hint: 'write bytes as base64',
    });
  }
  // The longest escape, \u00xx, has six bytes.
  const room = Buffer.alloc(text.length * 6 + 2);
  let size = room.write('"');
  for (const byte of text) {
    if (byte === 0x22 || byte === 0x5c) {
      room[size++] = 0x5c;
      room[size++] = byte;
    } else if (byte < 0x20) {
      size += room.write(`\\u${byte.toString(16).padStart(4, '0')}`, size);
    } else {
      room[size++] = byte;
    }
  }
  size += room.write('"', size);
  const exact = Buffer.from(room.subarray(0, size));
  room.fill(0);
  escaped.add(exact);
  return exact;
}
