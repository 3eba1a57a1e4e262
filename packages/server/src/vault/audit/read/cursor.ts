import { Fault } from '@sallyport/formats';
import type { AuditCursor, AuditLine } from '#journal';

/** How far a reader came: so many batches of each source, and so many lines of the next batch of one of them. */
export interface Position {
  readonly after: AuditCursor;
  readonly part?: { readonly source: AuditLine['source']; readonly lines: number };
}

export const beginning: Position = { after: { file: 0, table: 0 } };

const written = /^([0-9]{1,15})\.([0-9]{1,15})(?:\.([ft])([0-9]{1,9}))?$/;

/** As clients carry it; what it means is our own business. */
export function writePosition({ after, part }: Position): string {
  const rest = part === undefined ? '' : `.${part.source === 'file' ? 'f' : 't'}${part.lines}`;
  return `${after.file}.${after.table}${rest}`;
}

export function readPosition(text: string): Position {
  const [, file, table, source, lines] = written.exec(text) ?? [];
  if (file === undefined || table === undefined) {
    throw new Fault(
      'invalid',
      'vault.audit_cursor',
      'expected a cursor of an earlier answer, got another text',
      {
        hint: 'begin without one',
      },
    );
  }
  const after = { file: Number(file), table: Number(table) };
  if (source === undefined) return { after };
  return { after, part: { source: source === 'f' ? 'file' : 'table', lines: Number(lines) } };
}
