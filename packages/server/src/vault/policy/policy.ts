import { Fault } from '@sallyport/formats';
import { parseDocument } from './document.ts';
import { fieldsOf, stringOf, stringsOf } from './fields.ts';
import { type Rule, readRule } from './rule.ts';
import { hiddenCharacter, limits, quoted, syntaxFault } from './syntax.ts';

/** A policy, read and checked. */
export interface Policy {
  /** In lower case, as Vault keeps policy names. */
  readonly name: string;
  readonly rules: readonly Rule[];
  /** The environments, `project/env`, outside of which this policy grants nothing; absent means everywhere. */
  readonly environments?: readonly string[];
  /** Whether what it grants depends on the identity that uses it. */
  readonly templated: boolean;
}

const rootName = 'root';

/** Allows everything. It has no text, and no text makes another policy of its name. */
export const rootPolicy: Policy = { name: rootName, rules: [], templated: false };

const longestName = 256;
const environmentPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads the policy `name` from HCL or JSON of at most 512 KiB and 1,000 rules. Throws an `invalid` fault that says what
 * was expected and, for HCL, at which line and column.
 */
export function parsePolicy(name: string, text: string): Policy {
  const lowered = name.trim().toLowerCase();
  if (lowered === '' || lowered.length > longestName || hiddenCharacter(lowered, 'nothing') !== undefined) {
    throw new Fault(
      'invalid',
      'vault.policy_name',
      `expected a policy name of 1 to ${longestName} characters`,
    );
  }
  if (lowered === rootName) {
    throw new Fault('invalid', 'vault.policy_name', 'cannot update "root" policy');
  }
  const document = parseDocument(text);
  const blocks = document.fields.filter((field) => field.keys[0] === 'path');
  if (blocks.length > limits.rules) {
    throw syntaxFault(text, document.at, `expected at most ${limits.rules} rules, got ${blocks.length}`);
  }
  const rest = document.fields.filter((field) => field.keys[0] !== 'path');
  const fields = fieldsOf(text, { ...document, fields: rest }, ['name', 'path', 'environments'], '');
  // Vault lets a policy carry a name and goes by the one it is stored under; so it is checked, and not used.
  const title = fields.get('name');
  if (title !== undefined) stringOf(text, title.value, '');
  const rules = blocks.map((block) => readRule(text, block));
  const templated = rules.some((rule) => rule.path.fixed === undefined);
  const scope = fields.get('environments');
  if (scope === undefined) return { name: lowered, rules, templated };
  const environments = stringsOf(text, scope.value, limits.environments, '');
  const wrong = environments.find((each) => !environmentPattern.test(each));
  if (environments.length === 0 || wrong !== undefined) {
    const got = wrong === undefined ? 'an empty list' : quoted(wrong);
    throw syntaxFault(text, scope.value.at, `expected environments such as "shop/prod", got ${got}`);
  }
  return { name: lowered, rules, environments, templated };
}
