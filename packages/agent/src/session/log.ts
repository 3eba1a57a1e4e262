import type { Log } from '../sandbox/index.ts';

/** One JSON line per event on standard error: a constant message and fields, as the server logs. Never a secret. */
export function createJsonLog(write: (line: string) => void, now: () => Date): Log {
  const at = (level: string) => (fields: object, message: string) =>
    write(`${JSON.stringify({ level, time: now().toISOString(), ...plain(fields), msg: message })}\n`);
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') };
}

function plain(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? value.message : value]),
  );
}
