import { invalidSetting } from './login.ts';

/** The body of a request that writes a config or a role: parsed JSON, not yet looked at. */
export type Fields = Readonly<Record<string, unknown>>;

const maxListItems = 256;
const maxTextLength = 4096;

export function textField(fields: Fields, name: string, maxLength = maxTextLength): string {
  const value = field(fields, name) ?? '';
  if (typeof value !== 'string' || value.length > maxLength)
    throw invalidSetting(`expected '${name}' as text of at most ${maxLength} characters`);
  return value;
}

/** Vault's clients send a boolean as JSON or as text (the command line always as text). */
export function booleanField(fields: Fields, name: string, absent = false): boolean {
  const value = field(fields, name) ?? absent;
  if (value === true || value === 'true' || value === '1') return true;
  if (value === false || value === 'false' || value === '0' || value === '') return false;
  throw invalidSetting(`expected '${name}' as true or false`);
}

/** A list, or text with commas between the items; blanks around items and empty items are dropped, as Vault does. */
export function listField(fields: Fields, name: string, maxLength = maxTextLength): readonly string[] {
  const value = field(fields, name) ?? [];
  const items = typeof value === 'string' ? value.split(',') : value;
  if (!Array.isArray(items) || items.length > maxListItems)
    throw invalidSetting(`expected '${name}' as a list of at most ${maxListItems} texts`);
  const texts = items.map((item: unknown) => {
    if (typeof item !== 'string' || item.length > maxLength)
      throw invalidSetting(`expected each of '${name}' as text of at most ${maxLength} characters`);
    return item.trim();
  });
  return [...new Set(texts.filter((item) => item !== ''))];
}

export function mapField(fields: Fields, name: string): ReadonlyMap<string, unknown> {
  const value = field(fields, name) ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidSetting(`expected '${name}' as an object`);
  const entries = Object.entries(value);
  if (entries.length > maxListItems)
    throw invalidSetting(`expected '${name}' with at most ${maxListItems} keys`);
  return new Map(entries);
}

export function choiceField<const T extends string>(
  fields: Fields,
  name: string,
  choices: readonly T[],
  absent: T,
): T {
  const value = textField(fields, name) || absent;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw invalidSetting(`invalid '${name}': expected ${choices.join(' or ')}`);
  return choice;
}

/** Own properties only: a field named "constructor" that nobody sent must stay absent. */
function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
