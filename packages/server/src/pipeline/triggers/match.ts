import type { Definition } from '@sallyport/contract';

export type Trigger = 'push' | 'tag' | 'pull_request' | 'manual';
export type Trust = 'trusted' | 'untrusted';

/** What kind of event a changed ref is. */
export function triggerOf(ref: string): Exclude<Trigger, 'manual'> {
  if (ref.startsWith('refs/heads/')) return 'push';
  return ref.startsWith('refs/tags/') ? 'tag' : 'pull_request';
}

/** Whether the definition wants a run for this ref. */
export function isWanted(triggers: Definition['triggers'], ref: string): boolean {
  const trigger = triggerOf(ref);
  if (trigger === 'pull_request') return triggers.pull_request === 'untrusted';
  const name = ref.replace(/^refs\/(heads|tags)\//, '');
  return (triggers[trigger] ?? []).some((pattern) => matchesPattern(pattern, name));
}

/** `*` stands for any part of a name, slashes included, as protected branches of the forges have it. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  const last = rest.pop() ?? '';
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - at >= last.length && name.endsWith(last);
}

/**
 * How far an event is trusted. Trusted is only what went through the protection of the repository: a ref that the
 * administrator named, whose commit is on the protected branch. Everything else may carry anybody's code.
 */
export function trustOf(facts: {
  readonly ref: string;
  readonly protectedRefs: readonly string[];
  readonly isOnProtectedBranch: boolean;
}): Trust {
  const isProtected = facts.protectedRefs.some((pattern) => matchesPattern(pattern, facts.ref));
  const isPullRequest = triggerOf(facts.ref) === 'pull_request';
  return isProtected && facts.isOnProtectedBranch && !isPullRequest ? 'trusted' : 'untrusted';
}
