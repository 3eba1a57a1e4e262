/** JSON on one line, without a change to what it says: the white space between its parts is left out. */
export function compactJson(json: Uint8Array): Uint8Array {
  const line = new Uint8Array(json.length);
  let size = 0;
  let inText = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (!inText && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)) continue;
    line[size++] = byte;
    if (byte === 0x22) inText = !inText;
    // What is escaped ends nothing.
    else if (byte === 0x5c && inText && at + 1 < json.length) {
      at += 1;
      line[size++] = json[at] ?? 0;
    }
  }
  return line.subarray(0, size);
}
