import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import type { Db } from '#platform';
import type { StepRecord } from '../runs/run.ts';
import { isTerminal } from '../runs/states.ts';
import type { RunStore } from '../runs/store.ts';
import type { Logs } from './logs.ts';

export interface LogRequest {
  readonly runId: string;
  readonly step: string;
  /** Default: the last attempt. */
  readonly attempt?: number;
  readonly offset?: number;
  /** Go on until the step has ended. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface LogReader {
  /** The log as it is, and with `follow` as it grows; ends when the step has ended. */
  read(request: LogRequest): Promise<AsyncIterable<Uint8Array>>;
}

const chunkBytes = 65_536;
const pauseMs = 200;

export function createLogReader(deps: {
  readonly db: Db;
  readonly store: RunStore;
  readonly logs: Logs;
}): LogReader {
  const { db, store, logs } = deps;

  async function find({
    runId,
    step,
    attempt,
  }: LogRequest): Promise<{ record?: StepRecord; isOver: boolean }> {
    return db.read(async (tx) => {
      const run = await store.find(tx, runId);
      if (run === undefined)
        throw new Fault('not_found', 'pipeline.no_run', `expected a run, got "${runId.slice(0, 80)}"`);
      const steps = await store.steps(tx, runId, attempt ?? run.attempt);
      const record = steps.find(({ name }) => name === step);
      const isOld = attempt !== undefined && attempt < run.attempt;
      return { ...(record === undefined ? {} : { record }), isOver: isOld || isTerminal(run.state) };
    });
  }

  async function* live(request: LogRequest, first: StepRecord | undefined): AsyncGenerator<Uint8Array> {
    let offset = request.offset ?? 0;
    let record = first;
    for (;;) {
      if (record?.log !== undefined) {
        // The stored bytes go on where the live ones were: covering a value does not move what follows it.
        if (offset < record.log.sizeBytes) yield* logs.readStored(record.log.digest, offset);
        return;
      }
      const { runId, attempt, name } = record ?? {};
      const bytes =
        runId === undefined || attempt === undefined || name === undefined
          ? new Uint8Array()
          : await logs.read({ runId, attempt, step: name }, offset, chunkBytes);
      offset += bytes.length;
      if (bytes.length > 0) yield bytes;
      if (bytes.length === chunkBytes) continue;
      if (request.follow !== true || request.signal?.aborted === true) return;
      const found = await find(request);
      if (found.isOver && found.record?.log === undefined && bytes.length === 0) return;
      record = found.record;
      await sleep(pauseMs);
    }
  }

  return {
    async read(request) {
      const { record } = await find(request);
      if (record === undefined && request.follow !== true) {
        throw new Fault(
          'not_found',
          'pipeline.no_step',
          `expected a step of the run, got "${request.step.slice(0, 80)}"`,
        );
      }
      return live(request, record);
    },
  };
}
