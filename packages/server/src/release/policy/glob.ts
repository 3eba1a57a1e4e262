/**
 * Whether `text` matches `pattern`, where `*` stands for any run of characters that holds no `/` and `**` for any run
 * at all; everything else is itself. Time is at most length times length: a pattern of a definition must not be able
 * to stall a decision, which is why there are no regular expressions here.
 */
export function globMatches(text: string, pattern: string): boolean {
  const tokens = pattern.match(/\*\*|\*|[^*]/gs) ?? [];
  // reachable[i]: the tokens so far can end after i characters of the text.
  let reachable = new Array<boolean>(text.length + 1).fill(false);
  reachable[0] = true;
  for (const token of tokens) {
    const next = new Array<boolean>(text.length + 1).fill(false);
    for (let i = 0; i <= text.length; i++) {
      if (token === '*' || token === '**') {
        const extended = i > 0 && next[i - 1] === true && (token === '**' || text[i - 1] !== '/');
        next[i] = reachable[i] === true || extended;
      } else if (i > 0) {
        next[i] = reachable[i - 1] === true && text[i - 1] === token;
      }
    }
    reachable = next;
  }
  return reachable[text.length] === true;
}
