import { isFault } from '@sallyport/formats';
import { parseDuration } from '../duration.ts';
import { bitOfCapability, bitsOfLegacyPolicy, capabilityBits, capabilityNames } from './capability.ts';
import { fieldsOf, parametersOf, stringOf, stringsOf } from './fields.ts';
import { denyGrant, type Grant } from './grant.ts';
import { type PathTemplate, parsePath } from './pattern.ts';
import { type Field, limits, quoted, syntaxFault } from './syntax.ts';

/** One block `path "..." { ... }`. */
export interface Rule {
  readonly path: PathTemplate;
  readonly grant: Grant;
}

const known = [
  'allowed_parameters',
  'capabilities',
  'comment',
  'denied_parameters',
  'max_wrapping_ttl',
  'min_wrapping_ttl',
  'policy',
  'required_parameters',
];

/**
 * Fields of other servers that narrow what a rule grants. Dropping them would grant more than the author wrote, so
 * they are refused by name.
 */
const unsupported: ReadonlySet<string> = new Set([
  'control_group',
  'expiration',
  'list_scan_response_keys_filter_path',
  'mfa_methods',
  'pagination_limit',
  'subscribe_event_types',
]);

export function readRule(text: string, block: Field): Rule {
  const [, path, ...labels] = block.keys;
  if (path === undefined || labels.length > 0 || block.value.kind !== 'object') {
    throw syntaxFault(text, block.at, 'expected path "..." { ... }, with one path');
  }
  if (path.length > limits.pathLength || path.split('/').length > limits.pathSegments) {
    throw syntaxFault(
      text,
      block.at,
      `expected a path of at most ${limits.pathLength} characters and ${limits.pathSegments} segments`,
    );
  }
  const where = `path ${quoted(path)}: `;
  const template = parsePath(path);
  if ('expected' in template) throw syntaxFault(text, block.at, `${where}expected ${template.expected}`);
  for (const field of block.value.fields) {
    if (unsupported.has(field.keys[0] ?? '')) {
      throw syntaxFault(
        text,
        field.at,
        `${where}expected no ${quoted(field.keys[0] ?? '')}, which is not supported`,
      );
    }
  }
  const fields = fieldsOf(text, block.value, known, where);
  const comment = fields.get('comment');
  if (comment !== undefined) stringOf(text, comment.value, where);
  return { path: template, grant: readGrant(text, block, fields, where) };
}

function readGrant(text: string, block: Field, fields: ReadonlyMap<string, Field>, where: string): Grant {
  const parameters = (name: string) => {
    const field = fields.get(name);
    return field === undefined ? new Map() : parametersOf(text, field.value, where);
  };
  const required = fields.get('required_parameters');
  const grant: Grant = {
    capabilities: readCapabilities(text, fields, where),
    allowed: parameters('allowed_parameters'),
    denied: parameters('denied_parameters'),
    required: new Set(
      required === undefined
        ? []
        : stringsOf(text, required.value, limits.parameters, where).map((name) => name.toLowerCase()),
    ),
    minWrapSeconds: readSeconds(text, fields.get('min_wrapping_ttl'), where),
    maxWrapSeconds: readSeconds(text, fields.get('max_wrapping_ttl'), where),
  };
  if (grant.maxWrapSeconds !== 0 && grant.maxWrapSeconds < grant.minWrapSeconds) {
    throw syntaxFault(text, block.at, `${where}max_wrapping_ttl cannot be less than min_wrapping_ttl`);
  }
  return (grant.capabilities & capabilityBits.deny) === 0 ? grant : denyGrant;
}

function readCapabilities(text: string, fields: ReadonlyMap<string, Field>, where: string): number {
  let mask = 0;
  const legacy = fields.get('policy');
  if (legacy !== undefined) {
    const name = stringOf(text, legacy.value, where);
    const bits = bitsOfLegacyPolicy(name);
    if (bits === undefined) {
      throw syntaxFault(
        text,
        legacy.value.at,
        `${where}invalid policy ${quoted(name)}, expected one of deny, read, write, sudo`,
      );
    }
    mask |= bits;
  }
  const list = fields.get('capabilities');
  if (list === undefined) return mask;
  for (const name of stringsOf(text, list.value, limits.values, where)) {
    const bit = bitOfCapability(name);
    if (bit === undefined) {
      throw syntaxFault(
        text,
        list.value.at,
        `${where}invalid capability ${quoted(name)}, expected one of ${capabilityNames.join(', ')}`,
      );
    }
    mask |= bit;
  }
  return mask;
}

function readSeconds(text: string, field: Field | undefined, where: string): number {
  if (field === undefined) return 0;
  const { value } = field;
  try {
    return parseDuration('value' in value ? value.value : value.kind, field.keys[0]);
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw syntaxFault(text, value.at, `${where}${cause.message}`);
  }
}
