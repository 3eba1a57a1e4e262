import { type Fault, isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument } from './document.ts';
import { limits, type ObjectNode, type PolicyNode } from './syntax.ts';

/** The document as plain data, a field as the list of its keys and its value. */
function plain(node: PolicyNode): unknown {
  if (node.kind === 'list') return node.items.map(plain);
  if (node.kind === 'object') return fieldsOf(node);
  return node.value;
}

function fieldsOf(node: ObjectNode): unknown[] {
  return node.fields.map(({ keys, value }) => [...keys, plain(value)]);
}

function faultOf(text: string): Fault {
  try {
    parseDocument(text);
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
  throw new Error(`expected a fault, got a document from ${JSON.stringify(text.slice(0, 80))}`);
}

const read = (text: string) => fieldsOf(parseDocument(text));

describe('HCL', () => {
  it('has blocks with labels, attributes and all kinds of values', () => {
    expect(
      read(`
        # one
        name = "dev" // two
        /* three
           lines */ path "a/*" {
          capabilities = ["read", "list",]
          max_wrapping_ttl = 3600, min_wrapping_ttl = -1.5e2
          on = true
          off = false
          allowed_parameters { "x" = [{ "k" = "v" }, [1]] }
        }
        "path" "b" {}`),
    ).toEqual([
      ['name', 'dev'],
      [
        'path',
        'a/*',
        [
          ['capabilities', ['read', 'list']],
          ['max_wrapping_ttl', 3600],
          ['min_wrapping_ttl', -150],
          ['on', true],
          ['off', false],
          ['allowed_parameters', [['x', [[['k', 'v']], [1]]]]],
        ],
      ],
      ['path', 'b', []],
    ]);
  });

  it('keeps repeated blocks, in their order', () => {
    expect(read('path "a" {} path "b" {} path "a" {}')).toEqual([
      ['path', 'a', []],
      ['path', 'b', []],
      ['path', 'a', []],
    ]);
  });

  it('reads the escapes of HCL 1', () => {
    expect(read(String.raw`a = "\a\b\f\n\r\t\v\\\"\x41\101\u00e9\U0001F511"`)).toEqual([
      ['a', '\x07\b\f\n\r\t\v\\"AAé🔑'],
    ]);
    for (const wrong of ['\\q', '\\x', '\\xff', '\\400', '\\u12', '\\ud800', '\\U00110000', "\\'"]) {
      expect(faultOf(`a = "${wrong}"`).kind).toBe('invalid');
    }
  });

  it('reads heredocs, and with <<- takes the indentation of the anchor away', () => {
    expect(read('a = <<EOT\none\n  two\nEOT\nb = 1')).toEqual([
      ['a', 'one\n  two\n'],
      ['b', 1],
    ]);
    expect(read('a = <<-EOT\n    one\n      two\n    EOT\n')).toEqual([['a', 'one\n  two\n']]);
    expect(read('a = <<-EOT\n one\n    EOT\n')).toEqual([['a', ' one\n']]);
    expect(read('a = <<EOT\r\none\r\nEOT\r\n')).toEqual([['a', 'one\n']]);
    expect(read('a = <<EOT\nEOTX\nEOT\n')).toEqual([['a', 'EOTX\n']]);
  });

  it.each([
    ['path "a" {\n  capabilities = [\n}', 3, 1],
    ['a = 1\n\n  b ? 2', 3, 5],
    ['a = "x\n"', 1, 5],
    ['a = <<EOT\nx\n', 1, 5],
    ['/* never', 1, 1],
    ['a b = 1', 1, 5],
    ['a', 1, 2],
    ['= 1', 1, 1],
    ['}', 1, 1],
    ['a = [1 2]', 1, 8],
    ['a = "\u0024{x}"', 1, 6],
    ['true = 1', 1, 1],
    ['a = nil', 1, 5],
    ['a = .5', 1, 5],
    ['é = 1', 1, 1],
  ])('says where %j goes wrong', (text, line, column) => {
    const fault = faultOf(text);

    expect(fault.code).toBe('vault.policy');
    expect(fault.details).toEqual({ line, column });
    expect(fault.message).toContain(`line ${line}, column ${column}: expected`);
  });

  it.each(['010', '0x10', '1e999', '9007199254740993', '1'.repeat(33), '1a', '1_000', '-'])(
    'refuses the number %s',
    (number) => {
      expect(faultOf(`a = ${number}`).kind).toBe('invalid');
    },
  );
});

describe('JSON', () => {
  it('is the same document', () => {
    const json = '\n{"name": "dev", "path": {"a/*": {"capabilities": ["read"]}, "b": {}}}';

    expect(read(json)).toEqual(read('name = "dev" path "a/*" { capabilities = ["read"] } path "b" {}'));
    expect(read('{"path": [{"a": {}}, {"a": {}, "b": {}}]}')).toEqual(
      read('path "a" {} path "a" {} path "b" {}'),
    );
  });

  it('is refused with a key twice, which the next reader may read another way', () => {
    const fault = faultOf('{"path": {"a": {"policy": "deny"},\n "a": {"policy": "write"}}}');

    expect(fault.message).toContain('line 2');
    expect(fault.details).toMatchObject({ line: 2 });
  });

  it('makes no prototype of a key', () => {
    expect(read('{"__proto__": {"x": 1}, "constructor": 2}')).toEqual([
      ['__proto__', [['x', 1]]],
      ['constructor', 2],
    ]);
  });

  it.each([
    '{"a": null}',
    '{"a": 1e400}',
    '{"a": 9007199254740993}',
    '{} {}',
    '{',
    '{"path": 1}',
    '{"path": [1]}',
  ])('is refused as %s', (text) => {
    expect(faultOf(text).kind).toBe('invalid');
  });
});

describe('hostile text', () => {
  const full = limits.textBytes;

  it.each([
    ['braces without end', '{'.repeat(1_000_000)],
    ['braces that fit', '{'.repeat(full)],
    ['nested blocks', 'a{'.repeat(full / 2)],
    ['nested lists', `a=${'['.repeat(full - 2)}`],
    ['nested JSON', `{"a":${'['.repeat(full - 5)}`],
    ['keys without a value', 'a '.repeat(full / 2)],
    ['fields without end', 'a=1 '.repeat(full / 4)],
    ['JSON values without end', `{"a":[${'0,'.repeat(full / 2 - 10)}0]}`],
    ['an unterminated heredoc', `a = <<EOT\n${'x\n'.repeat(full / 2 - 10)}`],
    ['an unterminated heredoc of one line', `a = <<EOT\n${'x'.repeat(full - 20)}`],
    ['an anchor without end', `a = <<${'E'.repeat(full - 10)}`],
    ['an unterminated string', `a = "${'x'.repeat(full - 10)}`],
    ['a string of escapes', `a = "${'\\n'.repeat(full / 2 - 10)}"`],
    ['an unterminated comment', `/*${'*'.repeat(full - 2)}`],
    ['a huge number', `a = ${'9'.repeat(full - 10)}`],
    ['a huge exponent', 'a = 1e99999999'],
    ['a NUL', 'path "a\0b" {}'],
    ['a NUL in a comment', '# \0'],
    ['a byte order mark', '\ufeffname = "x"'],
    ['text that is shown in another order', '# \u202e } "* " htap'],
    ['a lone surrogate', 'name = "\ud800"'],
    ['a no-break space', 'name\u00a0= "x"'],
    ['too many bytes in few characters', `# ${'🔑'.repeat(full / 4)}`],
  ])('is refused as invalid and quickly: %s', (_, text) => {
    const started = performance.now();

    expect(faultOf(text).kind).toBe('invalid');

    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('is bounded at the exact depth and size', () => {
    const nested = (depth: number) => `a = ${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(read(nested(limits.depth))).toHaveLength(1);
    expect(faultOf(nested(limits.depth + 1)).message).toContain('levels');
    const comment = (bytes: number) => `#${'x'.repeat(bytes - 1)}`;
    expect(read(comment(full))).toEqual([]);
    expect(faultOf(comment(full + 1)).message).toContain('bytes');
    const text = (length: number) => `a = "${'x'.repeat(length)}"`;
    expect(read(text(limits.stringLength))).toHaveLength(1);
    expect(faultOf(text(limits.stringLength + 1)).message).toContain('characters');
  });

  it('shows look-alike letters in its message', () => {
    expect(faultOf('p\u0430th "a" {}').message).toContain('\\u{430}');
  });

  it('throws nothing but an invalid fault, whatever the bytes', () => {
    const pieces = [
      'path',
      '"a"',
      '"',
      '{',
      '}',
      '[',
      ']',
      '=',
      ',',
      '<<A\n',
      'A\n',
      '\n',
      '#',
      '/*',
      '*/',
      '-1',
      '\\',
    ];
    const soup = fc.array(fc.constantFrom(...pieces, ' ', '\u0024{', ':', 'true', '1e5'), { maxLength: 40 });
    const texts = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
      fc.string({ unit: 'binary', maxLength: 200 }),
      soup.map((parts) => parts.join('')),
      soup.map((parts) => `{${parts.join('')}`),
    );

    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseDocument(text);
        } catch (error) {
          expect(isFault(error) && error.kind).toBe('invalid');
        }
      }),
      { numRuns: 1_500 },
    );
  });
});
