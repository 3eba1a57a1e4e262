import { Fault } from '@sallyport/formats';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere, permissionDenied } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import {
  defaultPolicyName,
  deletePolicy,
  findPolicy,
  policyNames,
  putPolicy,
  rootPolicyName,
} from '../policies/store.ts';
import { wrappingPolicyName } from '../policies/wrapping-policy.ts';

/** What the server itself relies on: nobody writes or removes it. */
const fixed: ReadonlySet<string> = new Set([rootPolicyName, wrappingPolicyName, 'control-group']);

const fields: PathSpec['fields'] = {
  policy: { type: 'string', doc: 'The rules, in HCL or JSON, also in base64.' },
};

/** `sys/policies/acl`, and `sys/policy` as it was called before, with other names of fields and all of them twice. */
export const policyPaths: readonly PathSpec[] = [
  {
    pattern: 'policies/acl',
    synopsis: 'List the names of all policies.',
    on: {
      list: (call) => ({ data: { keys: policyNames(call.turn) } }),
      read: (call) => ({ data: { keys: policyNames(call.turn) } }),
    },
  },
  {
    pattern: 'policies/acl/:name*',
    synopsis: 'Read, write or delete a policy; it takes effect at once for all tokens.',
    fields,
    on: {
      read: (call) => ({ data: bodyOf(call, 'policy') }),
      update: (call) => write(call, call.fields.text('policy')),
      delete: remove,
    },
  },
  {
    pattern: 'policy',
    synopsis: 'List the names of all policies.',
    on: { list: legacyList, read: legacyList },
  },
  {
    pattern: 'policy/:name*',
    synopsis: 'Read, write or delete a policy; it takes effect at once for all tokens.',
    fields: { ...fields, rules: { type: 'string', doc: 'What policy was called before.' } },
    on: {
      read: (call) => ({ data: bodyOf(call, 'rules'), flat: true }),
      update: legacyWrite,
      delete: remove,
    },
  },
];

function legacyList(call: Call): Reply {
  const names = policyNames(call.turn);
  return { data: { keys: names, policies: names }, flat: true };
}

function bodyOf(call: Call, textField: 'policy' | 'rules'): JsonObject {
  const name = nameOf(call);
  // It has no text: it may do everything, whatever would be written there.
  if (name === rootPolicyName) return { name, [textField]: '' };
  const policy = findPolicy(call.turn, name);
  if (policy === undefined) throw nothingHere();
  return { name, [textField]: policy.text };
}

function legacyWrite(call: Call): Reply {
  const text = call.fields.text('policy');
  if (text !== '') return write(call, text);
  return write(call, call.fields.text('rules'), ["'rules' is deprecated, please use 'policy' instead"]);
}

function write(call: Call, text: string, warnings: readonly string[] = []): Reply {
  const name = nameOf(call);
  if (fixed.has(name)) throw badRequest(`cannot update "${name}" policy`);
  if (text === '') throw badRequest("'policy' parameter not supplied or empty");
  const environments = environmentsOf(call);
  requireOwn(call, name, environments);
  try {
    putPolicy(call.turn, {
      name,
      text: fromBase64(text),
      ...(environments === undefined ? {} : { environments }),
    });
    requireOwn(call, name, environments);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'invalid') throw error;
    throw new Fault('invalid', error.code, `failed to parse policy: ${error.message}`, { cause: error });
  }
  const converted = name === call.params['name'] ? [] : [`policy name was converted to ${name}`];
  const all = [...converted, ...warnings];
  return all.length === 0 ? {} : { warnings: all };
}

function remove(call: Call): Reply {
  const name = nameOf(call);
  if (fixed.has(name) || name === defaultPolicyName) throw badRequest(`cannot delete "${name}" policy`);
  requireOwn(call, name, environmentsOf(call));
  deletePolicy(call.turn, name);
  return {};
}

/** The environments that the caller reaches; absent where these are all. */
function environmentsOf({ caller }: Call): readonly string[] | undefined {
  const environments = caller?.token.environments ?? [];
  return environments.includes('*') ? undefined : environments;
}

/** Who reaches some environments only has no say about what a policy grants in others. */
function requireOwn(call: Call, name: string, environments: readonly string[] | undefined): void {
  const policy = findPolicy(call.turn, name);
  if (environments === undefined || policy === undefined) return;
  const reaches = policy.parsed.environments;
  if (reaches?.every((each) => environments.includes(each)) !== true) {
    throw permissionDenied(`the policy reaches environments that this token does not`);
  }
}

function nameOf(call: Call): string {
  const name = (call.params['name'] ?? '').toLowerCase();
  if (name === '') throw badRequest('policy name must be provided in the URL');
  // Records are found by path: a slash would put the policy into a directory where no list looks.
  if (name.includes('/')) throw badRequest('expected the name of a policy without a slash');
  return name;
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** No policy is base64 by accident: it has a space, a quote or a brace in it. */
export function fromBase64(text: string): string {
  const compact = text.trim();
  return compact.length % 4 === 0 && base64.test(compact)
    ? Buffer.from(compact, 'base64').toString('utf8')
    : text;
}
