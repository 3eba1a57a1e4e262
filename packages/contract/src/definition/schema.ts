import { Definition } from './model.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON Schema (2020-12) of `sallyport.yaml`, closed everywhere, for editors and other tools. */
export function definitionJsonSchema(): { readonly [key: string]: Json } {
  // A TypeBox schema without its symbols is plain JSON.
  const schema = close(JSON.parse(JSON.stringify(Definition)) as Json) as { readonly [key: string]: Json };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://sallyport.dev/schema/sallyport.schema.json',
    title: 'sallyport.yaml',
    ...schema,
  };
}

/** The file docs/sallyport.schema.json: short lists on one line, as the formatter wants them. */
export function definitionSchemaText(): string {
  return `${print(definitionJsonSchema(), '', 0)}\n`;
}

/** An object with free keys refuses those its pattern does not admit, as the parser does. */
function close(value: Json): Json {
  if (Array.isArray(value)) return value.map(close);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, close(inner)] as const);
  const isFree = Object.hasOwn(value, 'patternProperties');
  return Object.fromEntries(isFree ? [...entries, ['additionalProperties', false]] : entries);
}

const lineWidth = 110;

function print(value: Json, indent: string, before: number): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const flat = `[${value.map((item) => print(item, inner, 0)).join(', ')}]`;
    if (!flat.includes('\n') && before + flat.length < lineWidth) return flat;
    return `[\n${value.map((item) => inner + print(item, inner, inner.length)).join(',\n')}\n${indent}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, item]) => {
    const head = `${inner}${JSON.stringify(key)}: `;
    return head + print(item, inner, head.length);
  });
  return `{\n${members.join(',\n')}\n${indent}}`;
}
