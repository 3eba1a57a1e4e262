import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { caller, exchange, format, hmacOf } from '../exchange.fixture.ts';
import { auditLines } from './lines.ts';
import { matchesPath } from './path-glob.ts';
import { type AuditFilter, type AuditMatch, type SearchSummary, searchAudit } from './search.ts';

const entries = format();
const read = entries.lines(exchange({ response: { data: { password: 'hunter2hunter2' } } }));
const refused = entries.lines(
  exchange({
    requestTime: Date.UTC(2026, 10, 21),
    responseTime: Date.UTC(2026, 10, 21),
    caller: { ...caller, entityId: 'entity-2', accessor: 'accessor-2' },
    request: { ...exchange().request, id: 'request-2', operation: 'update', path: 'secret/data/pay/db' },
    response: undefined,
    error: 'permission denied',
  }),
);
const gap = Buffer.from('{"time":"2026-11-20T12:00:00.000Z","type":"gap","device":"file","dropped":17}\n');
const log = [read.request, read.response, gap, refused.request, refused.response];

async function* chunksOf(parts: readonly Buffer[], size = 37): AsyncGenerator<Buffer> {
  const all = Buffer.concat(parts);
  // One buffer for every chunk, as a careless reader of files does it.
  const chunk = Buffer.alloc(size);
  for (let at = 0; at < all.length; at += size) {
    const part = all.subarray(at, at + size);
    part.copy(chunk);
    yield chunk.subarray(0, part.length);
  }
}

async function search(
  filter: Partial<AuditFilter>,
  parts: readonly Buffer[] = log,
  size?: number,
): Promise<{ matches: AuditMatch[]; summary: SearchSummary }> {
  const found = searchAudit(auditLines(chunksOf(parts, size), 64 * 1024), { limit: 100, ...filter });
  const matches: AuditMatch[] = [];
  for (;;) {
    const step = await found.next();
    if (step.done === true) return { matches, summary: step.value };
    matches.push({ number: step.value.number, line: Buffer.from(step.value.line) });
  }
}

const numbers = async (filter: Partial<AuditFilter>) =>
  (await search(filter)).matches.map(({ number }) => number);

describe('a search in audit lines', () => {
  it('finds by each of its filters, and by all of them together', async () => {
    expect(await numbers({})).toEqual([1, 2, 3, 4, 5]);
    expect(await numbers({ type: 'response' })).toEqual([2, 5]);
    expect(await numbers({ type: 'gap' })).toEqual([3]);
    expect(await numbers({ path: 'secret/data/orders/*' })).toEqual([1, 2]);
    expect(await numbers({ path: 'secret/+/+/db' })).toEqual([1, 2, 4, 5]);
    expect(await numbers({ operation: 'update' })).toEqual([4, 5]);
    expect(await numbers({ requestId: 'request-1' })).toEqual([1, 2]);
    expect(await numbers({ entityId: 'entity-2' })).toEqual([4, 5]);
    expect(await numbers({ accessor: hmacOf('accessor-2') })).toEqual([4, 5]);
    expect(await numbers({ hash: hmacOf('hunter2hunter2') })).toEqual([2]);
    expect(await numbers({ errorsOnly: true })).toEqual([4, 5]);
    expect(await numbers({ since: Date.UTC(2026, 10, 20, 12) })).toEqual([3, 4, 5]);
    expect(await numbers({ until: Date.UTC(2026, 10, 20, 12) })).toEqual([1, 2]);
    expect(await numbers({ type: 'request', errorsOnly: true, entityId: 'entity-2' })).toEqual([4]);
    expect(await numbers({ type: 'request', entityId: 'entity-1', errorsOnly: true })).toEqual([]);
  });

  it('gives the lines byte for byte, however the bytes arrive, and says what it saw', async () => {
    for (const size of [1, 2, 1000, 1_000_000]) {
      const { matches, summary } = await search({}, log, size);

      expect(Buffer.concat(matches.flatMap(({ line }) => [line, Buffer.from('\n')]))).toEqual(
        Buffer.concat(log),
      );
      expect(summary).toEqual({ read: 5, matched: 5, malformed: 0, tooLong: 0, missing: 17, limited: false });
    }
  });

  it('counts gaps also when a filter passes over them, and ends at its limit', async () => {
    expect((await search({ requestId: 'request-2' })).summary).toMatchObject({ matched: 2, missing: 17 });
    expect((await search({ limit: 1 })).summary).toMatchObject({ read: 1, matched: 1, limited: true });
  });

  it('passes over lines that are torn, no JSON, too long or hostile, counts them, and goes on', async () => {
    const odd = [
      read.request.subarray(0, 500),
      Buffer.from('\n\n[1]\nnull\n"text"\n\x00\xff\n'),
      Buffer.from(`{"request":${'['.repeat(20_000)}${']'.repeat(20_000)}}\n`),
      Buffer.from(
        '{"__proto__":{"type":"request"},"request":{"__proto__":{"path":"secret/data/orders/db"}}}\n',
      ),
      Buffer.from(`{"type":"request","request":"${'x'.repeat(100_000)}"}\n`),
      read.response,
    ];

    const all = await search({}, odd);
    expect(all.summary).toMatchObject({ read: 9, malformed: 5, tooLong: 1, matched: 3 });
    expect((await search({ type: 'request' }, odd)).matches).toEqual([]);
    expect((await search({ path: 'secret/*', hash: hmacOf('hunter2hunter2') }, odd)).matches).toHaveLength(1);
  });

  it('refuses a filter that is none', async () => {
    for (const filter of [
      { limit: 0 },
      { limit: 1e9 },
      { path: '' },
      { hash: 'x'.repeat(2000) },
      { since: Number.NaN },
    ]) {
      await expect(search(filter)).rejects.toThrow('expected a filter of audit lines');
    }
  });
});

describe('a path pattern', () => {
  const table: ReadonlyArray<readonly [pattern: string, path: string, matches: boolean]> = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/bc', false],
    ['a/*', 'a/b/c', true],
    ['a/*', 'a/', true],
    ['*', '', true],
    ['*/db', 'a/b/db', true],
    ['*/db', 'a/b/db2', false],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/b/x/c', false],
    ['a/+/c', 'a//c', false],
    ['+', 'a', true],
    ['+', 'a/b', false],
    ['a+b', 'a+b', true],
    ['a/+', 'a/+', true],
    ['*+*', 'a+b', true],
    ['*/+/x', 'a/b/c/x', true],
    ['*a*b*c', '0a1b2c', true],
    ['*a*b*c', '0a1c2b', false],
  ];

  it.each(table)('%s on %s: %s', (pattern, path, matches) => {
    expect(matchesPath(pattern, path)).toBe(matches);
  });

  it('agrees with the same pattern as a regular expression', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', '*', '+', 'a*');
    const pattern = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
    const path = fc
      .array(fc.constantFrom('a', 'b', 'ab', ''), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(pattern, path, (glob, text) => {
        const source = glob.split('/').map((part) => (part === '+' ? '[^/]+' : part.replaceAll('*', '.*')));

        expect(matchesPath(glob, text)).toBe(new RegExp(`^${source.join('/')}$`, 's').test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no longer than its lengths multiplied', () => {
    const started = performance.now();

    expect(matchesPath('*a'.repeat(512), 'a'.repeat(4000).concat('b'))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
