import { destination, pino } from 'pino';
import type { Log } from '../ports.ts';
import { redact, redactText } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogConfig {
  readonly level: LogLevel;
  /** Where lines go; standard error when absent. */
  readonly sink?: { write(line: string): void };
}

/** JSON lines with a constant message and fields; every field goes through `redact`. */
export function createLog(config: LogConfig): Log {
  const log = pino(
    {
      level: config.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    // Synchronous: the lines before a crash are the ones that are needed.
    config.sink ?? destination({ fd: 2, sync: true }),
  );
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (!log.isLevelEnabled(level)) return;
    log[level]({ ...(redact(fields) as object) }, redactText(message));
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
