/** The known word that `text` was probably meant to be, when one is near enough to be worth a guess. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  const most = text.length <= 3 ? 1 : 2;
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const word of known) {
    const distance = word.startsWith(text) && text.length >= 3 ? 1 : distanceOf(text, word);
    if (distance <= most && (best === undefined || distance < best.distance)) best = { word, distance };
  }
  return best?.word;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function distanceOf(left: string, right: string): number {
  // Words of the command line are short; anything longer is no typing error of one of ours.
  if (left.length > 40 || right.length > 40) return Number.MAX_SAFE_INTEGER;
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1] ? 0 : 1;
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      current.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + same,
          swapped && row > 1 && column > 1 ? at(row - 2, column - 2) + 1 : Number.MAX_SAFE_INTEGER,
        ),
      );
    }
  }
  return at(left.length, right.length);
}
