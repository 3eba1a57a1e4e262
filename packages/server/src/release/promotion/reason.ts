const maxReason = 1000;

/** What a person gave as reason, bounded; empty when nothing. */
export function reasonOf(text: string | undefined): string {
  return (text ?? '').slice(0, maxReason);
}
