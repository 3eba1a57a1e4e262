import type pg from 'pg';
import { CallbackClient } from './callback-client.ts';

// A comment at the beginning of a statement names it.
const marked = /^\s*\/\* prepared: ([a-z.]{1,60}) \*\//;

/**
 * A connection on which a statement that names itself is parsed and planned once. For statements that come again all the
 * time and whose plan cannot become a bad one with the size of a table.
 */
export class PreparedClient extends CallbackClient {
  // biome-ignore lint/suspicious/noExplicitAny: one of many signatures of pg, all of which are passed on
  override query(...given: any[]): any {
    const [text, values, ...more] = given;
    const name = typeof text === 'string' ? marked.exec(text)?.[1] : undefined;
    const query = name === undefined ? given : [{ name, text, values }, ...more];
    return super.query(...(query as Parameters<pg.Client['query']>));
  }
}
