import { Fault } from '@sallyport/formats';
import type { Random } from '#platform';
import { parseDocument } from '../policy/document.ts';
import { fieldsOf, stringOf } from '../policy/fields.ts';
import { type Field, nowhere, type ObjectNode, syntaxFault } from '../policy/syntax.ts';

/** What a password has to look like. */
export interface PasswordPolicy {
  readonly length: number;
  readonly rules: readonly CharsetRule[];
}

/** At least `minChars` characters of a set; the sets of all rules together are what a password is made of. */
export interface CharsetRule {
  readonly charset: readonly string[];
  readonly minChars: number;
}

const minLength = 4;
const maxLength = 100;
const maxRules = 32;
const maxCharset = 256;

/**
 * Reads `length = 20` and blocks `rule "charset" { charset = "abc" min-chars = 1 }`, in HCL or JSON. Throws for a policy
 * that no password can meet.
 */
export function parsePasswordPolicy(text: string): PasswordPolicy {
  const document = parseDocument(text);
  const blocks = document.fields.filter((field) => field.keys[0] === 'rule');
  const rest: ObjectNode = {
    ...document,
    fields: document.fields.filter((field) => field.keys[0] !== 'rule'),
  };
  const length = numberOf(text, fieldsOf(text, rest, ['length'], '').get('length'), 'length') ?? 0;
  if (length < minLength || length > maxLength) {
    throw refused(`passwords must be between ${minLength} and ${maxLength} characters`);
  }
  const rules = blocks.flatMap((block) => rulesOf(text, block));
  if (rules.length === 0 || rules.length > maxRules) {
    throw refused(`expected 1 to ${maxRules} rules of kind "charset", got ${rules.length}`);
  }
  const least = rules.reduce((sum, rule) => sum + rule.minChars, 0);
  if (least > length) throw refused(`expected rules that ask for at most ${length} characters, got ${least}`);
  return { length, rules };
}

/**
 * First what each rule asks for, then the rest from all sets, then shuffled: takes as long for every policy. Drawing
 * until the rules are met would be even over all such passwords, and might not end; this favours those with more
 * characters of a demanded small set, by less than the demand itself takes away.
 */
export function generatePassword({ length, rules }: PasswordPolicy, random: Random): string {
  const pick = createPick(random);
  const all = [...new Set(rules.flatMap((rule) => rule.charset))];
  const characters = rules.flatMap(({ charset, minChars }) =>
    Array.from({ length: minChars }, () => pick(charset)),
  );
  while (characters.length < length) characters.push(pick(all));
  for (let last = characters.length - 1; last > 0; last -= 1) {
    const other = pick.index(last + 1);
    // Both are inside the list.
    [characters[last], characters[other]] = [characters[other] as string, characters[last] as string];
  }
  return characters.join('');
}

/** Even choices: a byte that would favour some is drawn again. */
function createPick(random: Random) {
  let bytes = random.bytes(0);
  let at = 0;
  const nextByte = (): number => {
    if (at >= bytes.length) {
      bytes = random.bytes(512);
      at = 0;
    }
    at += 1;
    return bytes[at - 1] ?? 0;
  };
  // Sets of all rules together may be larger than a byte counts.
  const index = (count: number): number => {
    const limit = 65_536 - (65_536 % count);
    for (;;) {
      const drawn = nextByte() * 256 + nextByte();
      if (drawn < limit) return drawn % count;
    }
  };
  // The index is below the length.
  return Object.assign((from: readonly string[]) => from[index(from.length)] as string, { index });
}

function rulesOf(text: string, block: Field): readonly CharsetRule[] {
  const [, kind, ...more] = block.keys;
  const bodies = block.value.kind === 'list' ? block.value.items : [block.value];
  return bodies.flatMap((body) => {
    if (body.kind !== 'object') throw syntaxFault(text, block.at, 'expected a block: rule "charset" { ... }');
    // In JSON the label is a key: {"rule": [{"charset": [{...}]}]}.
    if (kind === undefined)
      return body.fields.flatMap((field) => rulesOf(text, { ...field, keys: ['rule', ...field.keys] }));
    if (kind !== 'charset' || more.length > 0) {
      throw syntaxFault(text, block.at, 'expected rules of kind "charset" only');
    }
    return [ruleOf(text, body)];
  });
}

function ruleOf(text: string, body: ObjectNode): CharsetRule {
  const fields = fieldsOf(text, body, ['charset', 'min-chars', 'min_chars'], 'rule "charset": ');
  const given = fields.get('charset');
  const charset = [...new Set(given === undefined ? [] : stringOf(text, given.value, 'rule "charset": '))];
  if (charset.length === 0 || charset.length > maxCharset) {
    throw syntaxFault(
      text,
      body.at,
      `expected a charset of 1 to ${maxCharset} characters, got ${charset.length}`,
    );
  }
  if (charset.some((character) => !/^[^\p{C}]$/u.test(character))) {
    throw syntaxFault(text, body.at, 'expected a charset of visible characters, got another one');
  }
  const minChars = numberOf(text, fields.get('min-chars') ?? fields.get('min_chars'), 'min-chars') ?? 0;
  if (minChars < 0) throw syntaxFault(text, body.at, 'expected min-chars from 0');
  return { charset, minChars };
}

function numberOf(text: string, field: Field | undefined, name: string): number | undefined {
  if (field === undefined) return undefined;
  const { value } = field;
  if (value.kind === 'number' && Number.isSafeInteger(value.value)) return value.value;
  throw syntaxFault(text, value.at ?? nowhere, `expected ${name} as a whole number`);
}

function refused(message: string): Fault {
  return new Fault('invalid', 'vault.password_policy', message);
}
