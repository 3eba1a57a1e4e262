/** Cuts the bytes of several sources, one after the other, into lines. */
export interface LineCutter<Source> {
  add(source: Source, bytes: Uint8Array): void;
  /** Gives the last line when it has no newline. */
  end(): void;
}

/** A line without end is given in pieces of this many characters, so that memory stays bounded. */
const maxLength = 65_536;

export function createLineCutter<Source>(give: (source: Source, text: string) => void): LineCutter<Source> {
  let current: { readonly source: Source; readonly decoder: TextDecoder; text: string } | undefined;

  const end = (): void => {
    if (current === undefined) return;
    const rest = current.text + current.decoder.decode();
    if (rest !== '') give(current.source, rest);
    current = undefined;
  };

  return {
    add(source, bytes) {
      if (current?.source !== source) end();
      current ??= { source, decoder: new TextDecoder(), text: '' };
      const lines = (current.text + current.decoder.decode(bytes, { stream: true })).split('\n');
      current.text = lines.pop() ?? '';
      for (const line of lines) give(source, line);
      while (current.text.length > maxLength) {
        give(source, current.text.slice(0, maxLength));
        current.text = current.text.slice(maxLength);
      }
    },
    end,
  };
}
