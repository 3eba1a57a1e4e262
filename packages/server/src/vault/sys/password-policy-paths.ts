import { Fault } from '@sallyport/formats';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { jsonCodec } from '../records.ts';
import { generatePassword, parsePasswordPolicy } from './password-policy.ts';
import { fromBase64 } from './policy-paths.ts';

const directory = 'core/password-policy/';
const codec = jsonCodec<{ readonly policy: string }>(true);

export const passwordPolicyPaths: readonly PathSpec[] = [
  {
    pattern: 'policies/password',
    synopsis: 'List the names of all password policies.',
    on: { list },
  },
  {
    pattern: 'policies/password/:name',
    synopsis: 'Read, write or delete a policy for generated passwords.',
    fields: { policy: { type: 'string', doc: 'length and rules, in HCL or JSON, also in base64.' } },
    on: { read: (call) => ({ data: { policy: policyOf(call) } }), update: write, delete: remove },
  },
  {
    pattern: 'policies/password/:name/generate',
    synopsis: 'A new password that meets the policy. It is kept nowhere.',
    on: { read: generate },
  },
];

function list(call: Call): Reply {
  const keys = call.turn.space('system').list(directory);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function write(call: Call): Reply {
  const given = call.fields.text('policy');
  if (given === '') throw badRequest('missing policy');
  const policy = fromBase64(given);
  try {
    parsePasswordPolicy(policy);
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'invalid') throw error;
    throw new Fault('invalid', error.code, `invalid password policy: ${error.message}`, { cause: error });
  }
  call.turn.space('system').write(pathOf(call), codec, { policy });
  return {};
}

function remove(call: Call): Reply {
  call.turn.space('system').delete(pathOf(call));
  return {};
}

function generate(call: Call): Reply {
  return { data: { password: generatePassword(parsePasswordPolicy(policyOf(call)), call.core.random) } };
}

function policyOf(call: Call): string {
  const stored = call.turn.space('system').read(pathOf(call), codec);
  if (stored === undefined) throw new Fault('not_found', 'vault.password_policy', 'policy does not exist');
  return stored.policy;
}

function pathOf(call: Call): string {
  return directory + encodeURIComponent(call.params['name'] ?? '');
}
