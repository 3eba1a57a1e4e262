/** The longest that Vault's 64 bits of nanoseconds hold, in seconds. */
const longestSeconds = 9_223_372_036;
const digits = /^[0-9]{1,10}$/;
const days = /^([0-9]{1,6})d$/;
const clock = /^(?:([0-9]{1,7})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,10})s)?$/;

/** Whole seconds of `3600`, `"3600"`, `"90s"`, `"1h30m"` or `"7d"`; `undefined` for all else. */
export function secondsOf(value: string | number): number | undefined {
  const seconds = typeof value === 'number' ? value : secondsOfText(value);
  const valid =
    seconds !== undefined && Number.isInteger(seconds) && seconds >= 0 && seconds <= longestSeconds;
  return valid ? seconds : undefined;
}

function secondsOfText(text: string): number | undefined {
  if (text === '') return undefined;
  if (digits.test(text)) return Number(text);
  const day = days.exec(text);
  if (day !== null) return Number(day[1]) * 86_400;
  const parts = clock.exec(text);
  if (parts === null) return undefined;
  const [, hour, minute, second] = parts;
  return Number(hour ?? 0) * 3600 + Number(minute ?? 0) * 60 + Number(second ?? 0);
}
