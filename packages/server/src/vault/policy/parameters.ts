/** A value that a rule names for a parameter. Objects are maps, so that no key of a policy meets a prototype. */
export type ParameterValue =
  | string
  | number
  | boolean
  | readonly ParameterValue[]
  | ReadonlyMap<string, ParameterValue>;

/** By parameter in lower case; an empty list stands for every value, the name `*` for every parameter. */
export type ParameterRules = ReadonlyMap<string, readonly ParameterValue[]>;

export interface ParameterLimits {
  readonly allowed: ParameterRules;
  readonly denied: ParameterRules;
  readonly required: ReadonlySet<string>;
}

export type RequestData = Readonly<Record<string, unknown>>;

/** A longer list is not compared with denied values, item by item, on the way of every request, but refused. */
const longestComparedList = 1_024;

/**
 * Whether a request with `data` stays inside `limits`: nothing required is missing, nothing denied is there, and, when
 * anything is allowed by name, nothing else is there. Only the top level of `data` is looked at, as in Vault, so the
 * fields inside KV v2's `data` are not reached.
 */
export function parametersAllow(limits: ParameterLimits, data: RequestData): boolean {
  for (const name of limits.required) if (!Object.hasOwn(data, name)) return false;
  const sent = Object.keys(data);
  if (sent.length === 0) return true;
  if (limits.denied.size > 0) {
    if (limits.denied.has('*')) return false;
    for (const name of sent) {
      const values = limits.denied.get(name.toLowerCase());
      if (values !== undefined && isDenied(values, data[name])) return false;
    }
  }
  if (limits.allowed.size === 0) return true;
  const others = limits.allowed.has('*');
  return sent.every((name) => {
    const values = limits.allowed.get(name.toLowerCase());
    return values === undefined ? others : isListed(values, data[name]);
  });
}

/**
 * A denied value is denied inside a list too: most engines read `["admin"]` and `"admin"` alike, so the brackets would
 * be a way around the rule.
 */
function isDenied(values: readonly ParameterValue[], sent: unknown): boolean {
  if (isListed(values, sent)) return true;
  if (!Array.isArray(sent)) return false;
  return sent.length > longestComparedList || sent.some((item) => isListed(values, item));
}

function isListed(values: readonly ParameterValue[], sent: unknown): boolean {
  return values.length === 0 || values.some((value) => matches(value, sent));
}

function matches(value: ParameterValue, sent: unknown): boolean {
  return typeof value === 'string' && typeof sent === 'string'
    ? globMatches(value, sent)
    : isEqual(value, sent);
}

/** `*` at the start, at the end or at both stands for any text; alone it is a plain asterisk, as in Vault. */
function globMatches(glob: string, text: string): boolean {
  if (glob.length < 2) return text === glob;
  const open = glob.startsWith('*');
  const close = glob.endsWith('*');
  if (open && close) return text.includes(glob.slice(1, -1));
  if (open) return text.endsWith(glob.slice(1));
  if (close) return text.startsWith(glob.slice(0, -1));
  return text === glob;
}

/** Equality of values and their types: `1` is not `"1"`. The depth is that of the policy, which is bounded. */
function isEqual(value: ParameterValue, sent: unknown): boolean {
  if (typeof value !== 'object') return value === sent;
  if (sent === null || typeof sent !== 'object') return false;
  if (value instanceof Map) {
    const keys = Object.keys(sent);
    return (
      !Array.isArray(sent) &&
      keys.length === value.size &&
      // `keys` are own keys of `sent`, which is an object and no list: it can be read by them.
      keys.every((key) => value.has(key) && isEqual(value.get(key), (sent as RequestData)[key]))
    );
  }
  return (
    Array.isArray(value) &&
    Array.isArray(sent) &&
    value.length === sent.length &&
    value.every((item, index) => isEqual(item, sent[index]))
  );
}
