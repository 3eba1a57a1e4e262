import { Fault, isFault, parseStrictJson, utf8 } from '@sallyport/formats';
import { parseHcl } from './hcl.ts';
import {
  type Field,
  hiddenCharacter,
  limits,
  nowhere,
  type ObjectNode,
  type PolicyNode,
  syntaxFault,
} from './syntax.ts';

/**
 * Reads a policy, in HCL or, when it begins with a brace, in JSON. Repeated `path` blocks stay apart; who compiles them
 * merges them. A JSON object with a key twice is refused, because the next reader may see the other one.
 */
export function parseDocument(text: string): ObjectNode {
  // UTF-16 first: a huge text is not encoded only to be refused.
  if (text.length > limits.textBytes || (text.isWellFormed() && utf8(text).length > limits.textBytes)) {
    throw syntaxFault(text, nowhere, `expected at most ${limits.textBytes} bytes, got more`);
  }
  if (!text.isWellFormed()) {
    throw syntaxFault(text, nowhere, 'expected well-formed text, got a lone surrogate');
  }
  const hidden = hiddenCharacter(text, 'layout');
  if (hidden !== undefined) {
    const code = text.charCodeAt(hidden).toString(16).toUpperCase().padStart(4, '0');
    throw syntaxFault(text, hidden, `expected visible text, got the character U+${code}`);
  }
  return /^[ \t\r\n]*\{/.test(text) ? parseJson(text) : parseHcl(text);
}

function parseJson(text: string): ObjectNode {
  let value: unknown;
  try {
    value = parseStrictJson(text, { maxBytes: limits.textBytes, maxDepth: limits.depth });
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw new Fault('invalid', 'vault.policy', `policy: ${cause.message}`, { details: cause.details, cause });
  }
  let left: number = limits.tokens;

  function toNode(json: unknown): PolicyNode {
    left -= 1;
    if (left < 0) throw syntaxFault(text, nowhere, `expected at most ${limits.tokens} values, got more`);
    switch (typeof json) {
      case 'string':
        if (json.length > limits.stringLength) {
          throw syntaxFault(text, nowhere, `expected strings of at most ${limits.stringLength} characters`);
        }
        return { kind: 'string', at: nowhere, value: json };
      case 'number':
        if (Number.isInteger(json) && !Number.isSafeInteger(json)) {
          throw syntaxFault(text, nowhere, 'expected numbers that a double holds exactly, got a larger one');
        }
        return { kind: 'number', at: nowhere, value: json };
      case 'boolean':
        return { kind: 'boolean', at: nowhere, value: json };
      default:
        if (Array.isArray(json)) return { kind: 'list', at: nowhere, items: json.map(toNode) };
        if (json !== null && typeof json === 'object') return toObject(json);
        throw syntaxFault(text, nowhere, 'expected a value, got null');
    }
  }

  function toObject(json: object): ObjectNode {
    const fields = Object.entries(json).map(([key, each]) => ({
      at: nowhere,
      keys: [key],
      value: toNode(each),
    }));
    return { kind: 'object', at: nowhere, fields };
  }

  const root = toNode(value);
  // The text begins with a brace, so the strict reader returned an object or threw.
  if (root.kind !== 'object') throw syntaxFault(text, nowhere, 'expected an object');
  return { ...root, fields: root.fields.flatMap((field) => pathBlocks(text, field)) };
}

/** In JSON the blocks are an object by path, or a list of such: `{"path": {"secret/*": {...}}}`. */
function pathBlocks(text: string, field: Field): readonly Field[] {
  if (field.keys[0] !== 'path') return [field];
  const objects = field.value.kind === 'list' ? field.value.items : [field.value];
  return objects.flatMap((object) => {
    if (object.kind !== 'object') {
      throw syntaxFault(text, nowhere, 'expected "path" to be an object whose keys are paths');
    }
    return object.fields.map(({ at, keys, value }) => ({ at, keys: ['path', ...keys], value }));
  });
}
