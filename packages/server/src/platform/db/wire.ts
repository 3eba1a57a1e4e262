/** Boundaries of messages in PostgreSQL's protocol 3.0: one type byte, then a length that counts itself. */
export interface WireMessage {
  readonly type: string;
  readonly end: number;
}

/** The complete messages at the start of `bytes`. */
export function wireMessages(bytes: Uint8Array): readonly WireMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: WireMessage[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + view.getUint32(at + 1);
    if (end > bytes.length) break;
    messages.push({ type: String.fromCharCode(view.getUint8(at)), end });
    at = end;
  }
  return messages;
}
