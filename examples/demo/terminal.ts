/** What the demo shows: headings, typed commands with their answers, and a tally of what was proven. */
export interface Screen {
  heading(text: string): void;
  say(text: string): void;
  command(words: readonly string[]): void;
  answer(text: string): void;
  /** Something that was seen to hold. The demo fails where one does not. */
  proven(what: string): void;
  summary(): readonly string[];
}

export function createScreen(write: (text: string) => void, colours: boolean): Screen {
  const paint = (code: number, text: string): string => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const proofs: string[] = [];
  return {
    heading: (text) => write(`\n${paint(1, text)}\n`),
    say: (text) => write(`${text}\n`),
    command: (words) => write(`${paint(36, `$ sally ${words.join(' ')}`)}\n`),
    answer: (text) => {
      const lines = text.trimEnd();
      if (lines !== '') write(`${lines.replace(/^/gm, '  ')}\n`);
    },
    proven: (what) => {
      proofs.push(what);
      write(`${paint(32, '  ✔')} ${what}\n`);
    },
    summary: () => proofs,
  };
}
