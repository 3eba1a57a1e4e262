import { createTokens, type Token, type Tokens } from './hcl-tokens.ts';
import {
  type Field,
  type ListNode,
  limits,
  type ObjectNode,
  type PolicyNode,
  quoted,
  syntaxFault,
} from './syntax.ts';

/**
 * Reads the part of HCL 1 that policies use: blocks with labels, attributes, strings, heredocs, decimal numbers,
 * booleans, lists, objects. Recursive descent, bounded by `limits.depth`; one token ahead, so linear in the text.
 */
export function parseHcl(text: string): ObjectNode {
  const tokens = createTokens(text);
  return { kind: 'object', at: 0, fields: readFields(text, tokens, 'end', 0) };
}

function readFields(text: string, tokens: Tokens, close: 'end' | '}', depth: number): Field[] {
  const fields: Field[] = [];
  while (tokens.peek().kind !== close) {
    fields.push(readField(text, tokens, depth));
    // HCL lets a comma stand behind each field, as in the lists of objects that people paste from elsewhere.
    if (tokens.peek().kind === ',') tokens.next();
  }
  tokens.next();
  return fields;
}

function readField(text: string, tokens: Tokens, depth: number): Field {
  const at = tokens.peek().at;
  const keys: string[] = [];
  for (;;) {
    const token = tokens.next();
    if (token.kind === 'string' || (token.kind === 'word' && !isBoolean(token))) {
      keys.push(token.text);
    } else if (token.kind === '=' && keys.length === 1) {
      return { at, keys, value: readValue(text, tokens, depth) };
    } else if (token.kind === '{' && keys.length > 0) {
      return { at, keys, value: readObject(text, tokens, token, depth) };
    } else {
      const expected = keys.length === 0 ? 'a key' : keys.length === 1 ? '"=" or "{"' : '"{"';
      throw unexpected(text, token, expected);
    }
  }
}

function readValue(text: string, tokens: Tokens, depth: number): PolicyNode {
  const token = tokens.next();
  switch (token.kind) {
    case 'string':
    case 'heredoc':
      return { kind: 'string', at: token.at, value: token.text };
    case 'number':
      return { kind: 'number', at: token.at, value: readNumber(text, token) };
    case '{':
      return readObject(text, tokens, token, depth);
    case '[':
      return readList(text, tokens, token, depth);
    default:
      if (isBoolean(token)) return { kind: 'boolean', at: token.at, value: token.text === 'true' };
      throw unexpected(text, token, 'a value');
  }
}

function readObject(text: string, tokens: Tokens, open: Token, depth: number): ObjectNode {
  requireDepth(text, open, depth);
  return { kind: 'object', at: open.at, fields: readFields(text, tokens, '}', depth + 1) };
}

function readList(text: string, tokens: Tokens, open: Token, depth: number): ListNode {
  requireDepth(text, open, depth);
  const items: PolicyNode[] = [];
  while (tokens.peek().kind !== ']') {
    items.push(readValue(text, tokens, depth + 1));
    if (tokens.peek().kind === ',') tokens.next();
    else if (tokens.peek().kind !== ']') throw unexpected(text, tokens.peek(), '"," or "]"');
  }
  tokens.next();
  return { kind: 'list', at: open.at, items };
}

function readNumber(text: string, token: Token): number {
  const value = Number(token.text);
  // A whole number above 2^53 would be another one than was written.
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw syntaxFault(text, token.at, 'expected a number that a double holds exactly, got a larger one');
  }
  return value;
}

function requireDepth(text: string, token: Token, depth: number): void {
  if (depth >= limits.depth) {
    throw syntaxFault(text, token.at, `expected at most ${limits.depth} levels of nesting, got more`);
  }
}

function isBoolean(token: Token): boolean {
  return token.kind === 'word' && (token.text === 'true' || token.text === 'false');
}

function unexpected(text: string, token: Token, expected: string) {
  const got = token.kind === 'end' ? 'the end of the text' : quoted(token.text);
  return syntaxFault(text, token.at, `expected ${expected}, got ${got}`);
}
