import type { Call, PathSpec, Reply } from '../backend.ts';
import type { JsonObject } from '../fields.ts';
import { hashRequest, randomRequest } from '../transit/tools.ts';

const randomFields: PathSpec['fields'] = {
  bytes: { type: 'integer', doc: 'How many; 32 when absent.' },
  format: { type: 'string', doc: 'base64 or hex.' },
  source: { type: 'string', doc: 'platform; seal and all are taken for it.' },
};
const hashFields: PathSpec['fields'] = {
  input: { type: 'string', doc: 'Base64.' },
  algorithm: { type: 'string', doc: 'sha2-256 when absent.' },
  format: { type: 'string', doc: 'hex or base64.' },
};

export const toolPaths: readonly PathSpec[] = [
  ...['tools/random', 'tools/random/:first', 'tools/random/:first/:second'].map(
    (pattern): PathSpec => ({
      pattern,
      synopsis: 'Random bytes.',
      fields: randomFields,
      on: { update: random },
    }),
  ),
  ...['tools/hash', 'tools/hash/:algorithm'].map(
    (pattern): PathSpec => ({ pattern, synopsis: 'A hash.', fields: hashFields, on: { update: hash } }),
  ),
];

function random({ core, fields, params }: Call): Reply {
  const segments = [params['first'], params['second']].filter((each) => each !== undefined);
  return replyOf(randomRequest(core.random, fields.raw, segments));
}

function hash({ fields, params }: Call): Reply {
  return replyOf(hashRequest(fields.raw, params['algorithm']));
}

function replyOf({ data, warnings }: ReturnType<typeof randomRequest>): Reply {
  return { data: data as JsonObject, warnings };
}
