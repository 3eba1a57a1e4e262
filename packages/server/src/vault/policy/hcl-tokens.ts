import { readHeredoc, readString } from './hcl-strings.ts';
import { limits, quoted, syntaxFault } from './syntax.ts';

export interface Token {
  readonly kind: 'word' | 'string' | 'heredoc' | 'number' | '{' | '}' | '[' | ']' | ',' | '=' | 'end';
  readonly at: number;
  readonly text: string;
}

export interface Tokens {
  peek(): Token;
  next(): Token;
}

const wordPattern = /[A-Za-z_][A-Za-z0-9_.-]*/y;
// As in JSON: hexadecimal and octal numbers are HCL too, but 010 is read as 10 or as 8 by who does not know.
const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const wordLetter = /[A-Za-z0-9_.]/;
const longestNumber = 32;

/** The tokens of an HCL text, one at a time; comments and white space are gone. Reads the text once. */
export function createTokens(text: string): Tokens {
  let at = 0;
  let count = 0;
  let ahead: Token | undefined;

  function read(): Token {
    at = skipBlank(text, at);
    count += 1;
    if (count > limits.tokens) {
      throw syntaxFault(text, at, `expected at most ${limits.tokens} tokens, got more`);
    }
    const start = at;
    const letter = text[at];
    switch (letter) {
      case undefined:
        return { kind: 'end', at, text: '' };
      case '{':
      case '}':
      case '[':
      case ']':
      case ',':
      case '=':
        at += 1;
        return { kind: letter, at: start, text: letter };
      case '"': {
        const { value, end } = readString(text, at);
        at = end;
        return { kind: 'string', at: start, text: value };
      }
      case '<': {
        const { value, end } = readHeredoc(text, at);
        at = end;
        return { kind: 'heredoc', at: start, text: value };
      }
      default:
        return readPlain(start);
    }
  }

  function readPlain(start: number): Token {
    const word = match(wordPattern, text, start);
    if (word !== undefined) {
      at = start + word.length;
      return { kind: 'word', at: start, text: word };
    }
    const number = match(numberPattern, text, start);
    if (number === undefined) {
      const point = String.fromCodePoint(text.codePointAt(start) ?? 0);
      throw syntaxFault(text, start, `expected a key, a value or a bracket, got ${quoted(point)}`);
    }
    at = start + number.length;
    if (number.length > longestNumber || wordLetter.test(text[at] ?? '')) {
      throw syntaxFault(text, start, `expected a decimal number of at most ${longestNumber} characters`);
    }
    return { kind: 'number', at: start, text: number };
  }

  return {
    peek() {
      ahead ??= read();
      return ahead;
    },
    next() {
      const token = ahead ?? read();
      ahead = undefined;
      return token;
    },
  };
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** The offset of what follows white space and comments. */
function skipBlank(text: string, start: number): number {
  let at = start;
  for (;;) {
    const letter = text[at];
    if (letter === ' ' || letter === '\t' || letter === '\n' || letter === '\r') {
      at += 1;
    } else if (letter === '#' || (letter === '/' && text[at + 1] === '/')) {
      const newline = text.indexOf('\n', at);
      at = newline === -1 ? text.length : newline;
    } else if (letter === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2);
      if (end === -1) throw syntaxFault(text, at, 'expected a comment that ends with */, got none');
      at = end + 2;
    } else {
      return at;
    }
  }
}
