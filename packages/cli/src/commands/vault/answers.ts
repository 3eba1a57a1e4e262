import type { VaultCall, VaultClient } from '@sallyport/sdk';

type Fields = Readonly<Record<string, unknown>>;

/** What an answer says under `data`, for answers without secrets. */
export async function dataOf(client: VaultClient, call: VaultCall): Promise<Fields> {
  const answer = await client.request(call);
  const data = fieldsOf(answer.plain('data'));
  answer.wipe();
  return data;
}

/** For calls whose answer says nothing. */
export async function tell(client: VaultClient, call: VaultCall): Promise<void> {
  (await client.request(call)).wipe();
}

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

export const textOf = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);

export const textsOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(textOf) : []);

/** `KEY VALUE` lines for people. */
export function lines(fields: Fields): string {
  const names = Object.keys(fields).sort();
  const width = Math.max(0, ...names.map((name) => name.length)) + 2;
  return names.map((name) => `${name.padEnd(width)}${textOf(fields[name])}`.trimEnd()).join('\n');
}

/** Without what was not given. */
export const given = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  );
