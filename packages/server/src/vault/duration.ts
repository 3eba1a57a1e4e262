import { Fault } from '@sallyport/formats';

/** The longest duration Vault's clients can hold: 2^63 nanoseconds, about 292 years. */
const maxDurationSeconds = 9_223_372_036;
const maxTextLength = 64;

/** Milliseconds per unit; shorter units than Go knows are left out, because a TTL of them would be zero. */
const unitMilliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const wholeSeconds = /^[0-9]{1,10}$/;
const units = /^(?:[0-9]{1,10}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d))+$/;
const unit = /([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)/g;

/**
 * Reads a TTL as Vault's clients write it: seconds as a number or digits, or Go's form with days ("1h30m", "768h", "2d").
 * The empty text is 0, which means "the default" in every field that takes a TTL.
 * Returns whole seconds from 0 to 292 years. A part of a second is refused, not cut off: 500ms would become 0, and so
 * the default. Throws `Fault('invalid', 'vault.duration')`.
 */
export function parseDuration(value: unknown, at = 'ttl'): number {
  if (typeof value === 'number') return bounded(value, value, at);
  if (typeof value !== 'string' || value.length > maxTextLength) throw notDuration(value, at);
  if (value === '') return 0;
  if (wholeSeconds.test(value)) return bounded(Number(value), value, at);
  if (!units.test(value)) throw notDuration(value, at);
  let milliseconds = 0;
  for (const [, count, name] of value.matchAll(unit)) {
    milliseconds += Number(count) * (unitMilliseconds[name ?? ''] ?? Number.NaN);
  }
  // Rounded to a microsecond of a second first: 0.1h is 360 s, whatever binary fractions make of it.
  return bounded(Math.round(milliseconds * 1000) / 1_000_000, value, at);
}

function bounded(seconds: number, value: unknown, at: string): number {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > maxDurationSeconds)
    throw notDuration(value, at);
  return seconds;
}

function notDuration(value: unknown, at: string): Fault {
  // Anything else may be a secret that came into the wrong field, and refusals are audited in clear.
  const plain =
    typeof value === 'number' || (typeof value === 'string' && /^[-+0-9.hmsdwy]{1,16}$/.test(value));
  const shown = plain ? JSON.stringify(value) : typeof value === 'string' ? 'another text' : typeof value;
  return new Fault(
    'invalid',
    'vault.duration',
    `expected ${at} as whole seconds or as a duration like "1h30m", got ${shown}`,
  );
}
