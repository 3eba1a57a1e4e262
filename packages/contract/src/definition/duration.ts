import { Fault } from '@sallyport/formats';

const secondsPer = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of a duration such as `90s`, `15m`, `72h`, `7d`; throws `definition.bad_duration` for anything else. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,6})([smhd])$/.exec(text);
  const [, count, unit] = match ?? [];
  if (count === undefined || unit === undefined) {
    throw new Fault(
      'invalid',
      'definition.bad_duration',
      `expected a duration such as "90s", "15m", "72h" or "7d", got ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
  // The pattern admits only these four letters.
  return Number(count) * secondsPer[unit as keyof typeof secondsPer];
}
