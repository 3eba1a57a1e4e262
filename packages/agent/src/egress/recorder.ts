import type { EgressRecord } from '@sallyport/contract';

export type EgressEntry = Omit<EgressRecord, 'at' | 'step'>;

/** Collects what one step asked for. A step that cannot be recorded is not served: see `hasRoom`. */
export interface Recorder {
  readonly step: string;
  record(entry: EgressEntry): void;
  /** False once the record is full: from then on everything is denied, and the last record says so. */
  hasRoom(): boolean;
  /** In the order things were decided. */
  records(): EgressRecord[];
}

export function createRecorder(deps: {
  readonly clock: { now(): Date };
  readonly step: string;
  readonly limit: number;
}): Recorder {
  const entries: EgressRecord[] = [];
  const push = (entry: EgressEntry) =>
    entries.push({
      ...entry,
      at: deps.clock.now().toISOString(),
      step: deps.step,
      uri: printable(entry.uri, 1000),
      ...(entry.name === undefined ? {} : { name: printable(entry.name, 300) }),
      ...(entry.version === undefined ? {} : { version: printable(entry.version, 100) }),
    });
  return {
    step: deps.step,
    record(entry) {
      if (entries.length < deps.limit - 1) push(entry);
      else if (entries.length === deps.limit - 1) {
        push({
          kind: entry.kind,
          decision: 'denied',
          reason: 'egress.too_many_requests',
          uri: entry.uri,
          lock: 'not-applicable',
          cache: 'none',
        });
      }
    },
    hasRoom: () => entries.length < deps.limit - 1,
    records: () => [...entries],
  };
}

/** What a step asked for is hostile text: it goes into reports and terminals. */
function printable(text: string, maxLength: number): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxLength);
}
