import { connect } from 'node:net';
import { type LoadName, requestsOf, type Target } from './requests.ts';

/**
 * The load generator, a process of its own: it shares the cores with the server, so it sends bytes that were made
 * before, looks at no more of an answer than where it ends and its status, and keeps its connections.
 */
export interface Job {
  readonly load: LoadName;
  readonly target: Target;
  readonly connections: number;
  /** Ends after this time, or when this many are answered. */
  readonly seconds?: number;
  readonly count?: number;
}

export interface Result {
  readonly answered: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Answers beyond 2xx, with the beginning of the first one. */
  readonly errors: number;
  readonly firstError: string;
}

const headEnd = Buffer.from('\r\n\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

process.on('message', (job: Job) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

async function run({ load, target, connections, seconds = 3600, count }: Job): Promise<Result> {
  const requests = requestsOf(load, target, count);
  const latencies = new Float64Array(4_000_000);
  let sent = 0;
  let answered = 0;
  let errors = 0;
  let firstError = '';
  const began = performance.now();
  const until = began + seconds * 1000;

  function note(sentAt: number, now: number, answer: Buffer): void {
    latencies[answered] = now - sentAt;
    answered += 1;
    // "HTTP/1.1 2"
    if (answer[9] === 0x32) return;
    errors += 1;
    if (firstError === '') firstError = answer.toString('latin1', 0, 600);
  }

  function connection(): Promise<void> {
    return new Promise((resolve, reject) => {
      let sentAt = 0;
      /** What is missing of the answer's body; undefined while its head is. */
      let missing: number | undefined;
      let beginning: Buffer | undefined;
      const socket = connect({
        port: target.port,
        host: '127.0.0.1',
        onread: {
          buffer: Buffer.alloc(64 * 1024),
          callback(size, buffer) {
            receive(Buffer.from(buffer.buffer, buffer.byteOffset, size));
            return true;
          },
        },
      });
      socket.setNoDelay(true);
      socket.once('connect', send);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the server closed a connection')));

      function send(): void {
        const now = performance.now();
        if (now >= until || (count !== undefined && sent >= count)) {
          socket.removeAllListeners('close');
          socket.destroy();
          resolve();
          return;
        }
        const bytes = requests[sent % requests.length] as Buffer;
        sent += 1;
        sentAt = now;
        missing = undefined;
        beginning = undefined;
        socket.write(bytes);
      }

      function receive(bytes: Buffer): void {
        const answer = beginning === undefined ? bytes : Buffer.concat([beginning, bytes]);
        if (missing === undefined || missing === Number.POSITIVE_INFINITY) missing = missingOf(answer);
        else missing -= bytes.length;
        if (missing === 0) {
          note(sentAt, performance.now(), answer);
          send();
        } else if (beginning === undefined || missing === undefined || missing === Number.POSITIVE_INFINITY) {
          beginning = Buffer.from(answer);
        }
      }
    });
  }

  await Promise.all(Array.from({ length: connections }, connection));
  const took = (performance.now() - began) / 1000;
  const sorted = latencies.subarray(0, answered).sort();
  const at = (share: number): number => sorted[Math.floor((answered - 1) * share)] ?? 0;
  return { answered, seconds: took, p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1), errors, firstError };
}

/** Bytes that are still to come; undefined: the head is not whole. Infinite: in chunks, of which the last is not here. */
function missingOf(answer: Buffer): number | undefined {
  const end = answer.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = answer.toString('latin1', 0, end).toLowerCase();
  if (head.includes('transfer-encoding: chunked'))
    return answer.subarray(-lastChunk.length).equals(lastChunk) ? 0 : Number.POSITIVE_INFINITY;
  const length = /content-length: (\d+)/.exec(head)?.[1] ?? '0';
  return end + headEnd.length + Number(length) - answer.length;
}
