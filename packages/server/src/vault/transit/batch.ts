import { isFault } from '@sallyport/formats';
import { refused } from './faults.ts';
import { type Fields, isFields, readWhole } from './fields.ts';

export type Eventually<T> = T | Promise<T>;

/** What an operation answers: `data` of the envelope, and the status when it is not 200. */
export interface Answer {
  readonly data: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly warnings: readonly string[];
}

/** More would hold the thread for long: this many Ed25519 signatures take about 0.4 s. */
const maxItems = 10_000;

export function answer(data: Answer['data'], warnings: readonly string[] = []): Answer {
  return { data, status: 200, warnings };
}

/** The items of `batch_input`, or undefined when the request is a single one. */
export function batchItems(body: Fields): readonly Fields[] | undefined {
  const list = body['batch_input'];
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list) || list.length === 0 || list.length > maxItems || !list.every(isFields)) {
    throw refused('batch', `missing batch input to process: expected a list of 1 to ${maxItems} objects`);
  }
  return list;
}

/**
 * Runs an operation on the body, or on each item of its batch, in order and one after the other. A refusal of an item
 * is its `error` and leaves the others alone; the answer's status is then `failureStatus`, or what the request gave as
 * `partial_failure_response_code` when some succeeded. Anything that is not a refusal ends the whole batch.
 * It waits only if an item does: with a key that needs no other thread, the answer is there at once.
 */
export function answerEach(
  body: Fields,
  run: (item: Fields) => Eventually<Answer['data']>,
  failureStatus = 200,
): Eventually<Answer> {
  const items = batchItems(body);
  if (items === undefined) {
    const data = run(body);
    return data instanceof Promise ? data.then((ready) => answer(ready)) : answer(data);
  }
  const results: Answer['data'][] = [];
  for (const [index, item] of items.entries()) {
    const result = attempt(item, run);
    if (result instanceof Promise) return rest(body, items, results, index, result, run, failureStatus);
    results.push(result);
  }
  return batchAnswer(body, results, failureStatus);
}

async function rest(
  body: Fields,
  items: readonly Fields[],
  results: Answer['data'][],
  from: number,
  first: Promise<Answer['data']>,
  run: (item: Fields) => Eventually<Answer['data']>,
  failureStatus: number,
): Promise<Answer> {
  results.push(await first);
  // One at a time: a large batch does not push everybody else's work to the end of the queue.
  for (const item of items.slice(from + 1)) results.push(await attempt(item, run));
  return batchAnswer(body, results, failureStatus);
}

function attempt(
  item: Fields,
  run: (item: Fields) => Eventually<Answer['data']>,
): Eventually<Answer['data']> {
  const reference = item['reference'];
  const named = (data: Answer['data']) => (typeof reference === 'string' ? { ...data, reference } : data);
  const failed = (error: unknown) => {
    if (isFault(error) && error.kind === 'invalid') return named({ error: error.message });
    throw error;
  };
  try {
    const result = run(item);
    if (result instanceof Promise) return result.then(named, failed);
    return named(result);
  } catch (error) {
    return failed(error);
  }
}

function batchAnswer(body: Fields, results: readonly Answer['data'][], failureStatus: number): Answer {
  const failures = results.filter((result) => 'error' in result).length;
  const data = { batch_results: results };
  if (failures === 0) return answer(data);
  const asked = readWhole(body, 'partial_failure_response_code');
  const partial = failures < results.length && asked !== undefined && asked >= 200 && asked <= 599;
  return { data, status: partial ? asked : failureStatus, warnings: [] };
}
