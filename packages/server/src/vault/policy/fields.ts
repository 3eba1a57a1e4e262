import type { ParameterValue } from './parameters.ts';
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
 * The fields of a block by name. A name twice is refused: the later one would win in silence, and a reviewer sees the
 * first. `where` begins the messages, so that also JSON, which has no line numbers, names the place.
 */
export function fieldsOf(
  text: string,
  block: ObjectNode,
  known: readonly string[],
  where: string,
): ReadonlyMap<string, Field> {
  const fields = new Map<string, Field>();
  for (const field of block.fields) {
    const name = nameOf(text, field, where);
    if (!known.includes(name)) {
      throw syntaxFault(text, field.at, `${where}expected one of ${known.join(', ')}, got ${quoted(name)}`);
    }
    if (fields.has(name)) {
      throw syntaxFault(text, field.at, `${where}expected ${quoted(name)} once, got it again`);
    }
    fields.set(name, field);
  }
  return fields;
}

function nameOf(text: string, field: Field, where: string): string {
  const [name, label] = field.keys;
  if (name === undefined || label !== undefined) {
    throw syntaxFault(text, field.at, `${where}expected no label behind ${quoted(name ?? '')}`);
  }
  return name;
}

export function stringOf(text: string, node: PolicyNode, where: string): string {
  if (node.kind === 'string') return node.value;
  throw syntaxFault(text, node.at, `${where}expected a string, got ${named(node)}`);
}

export function stringsOf(text: string, node: PolicyNode, most: number, where: string): readonly string[] {
  return listOf(text, node, most, where).items.map((item) => stringOf(text, item, where));
}

/** `{ name = [values], ... }`, with names in lower case; a name in two spellings keeps the values of both. */
export function parametersOf(
  text: string,
  node: PolicyNode,
  where: string,
): ReadonlyMap<string, readonly ParameterValue[]> {
  if (node.kind !== 'object') {
    throw syntaxFault(text, node.at, `${where}expected an object of parameters, got ${named(node)}`);
  }
  if (node.fields.length > limits.parameters) {
    throw syntaxFault(text, node.at, `${where}expected at most ${limits.parameters} parameters, got more`);
  }
  const parameters = new Map<string, readonly ParameterValue[]>();
  for (const field of node.fields) {
    const name = nameOf(text, field, where).toLowerCase();
    if (parameters.has(name)) {
      throw syntaxFault(text, field.at, `${where}expected the parameter ${quoted(name)} once, got it again`);
    }
    const { items } = listOf(text, field.value, limits.values, where);
    if (name === '*' && items.length > 0) {
      throw syntaxFault(text, field.at, `${where}expected the parameter "*" with an empty list, got values`);
    }
    parameters.set(
      name,
      items.map((item) => parameterValue(text, item, where)),
    );
  }
  return parameters;
}

function parameterValue(text: string, node: PolicyNode, where: string): ParameterValue {
  if (node.kind === 'list') return node.items.map((item) => parameterValue(text, item, where));
  if (node.kind !== 'object') return node.value;
  const map = new Map<string, ParameterValue>();
  for (const field of node.fields) {
    const name = nameOf(text, field, where);
    if (map.has(name)) {
      throw syntaxFault(text, field.at, `${where}expected the key ${quoted(name)} once, got it again`);
    }
    map.set(name, parameterValue(text, field.value, where));
  }
  return map;
}

function listOf(text: string, node: PolicyNode, most: number, where: string): ListNode {
  if (node.kind !== 'list') throw syntaxFault(text, node.at, `${where}expected a list, got ${named(node)}`);
  if (node.items.length > most) {
    throw syntaxFault(text, node.at, `${where}expected a list of at most ${most}, got ${node.items.length}`);
  }
  return node;
}

function named(node: PolicyNode): string {
  return `${node.kind === 'object' ? 'an' : 'a'} ${node.kind}`;
}
