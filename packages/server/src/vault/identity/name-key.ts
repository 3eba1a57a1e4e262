import { hash } from 'node:crypto';
import { badRequest } from '../errors.ts';

/**
 * The part of a record's path that stands for a name: names come from bodies and from the claims of foreign tokens, so
 * they may hold slashes and be long. A text that is not well-formed is refused: encoded, two of them could be the same.
 */
export function nameKey(name: string): string {
  if (!name.isWellFormed()) throw badRequest('expected a name in well-formed Unicode, got another text');
  return hash('sha256', name, 'base64url');
}
