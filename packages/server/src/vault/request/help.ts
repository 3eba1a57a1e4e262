import type { JsonObject } from '../fields.ts';
import type { Route } from './route.ts';

/** The answer to `?help=1`: what the path is for, its fields, and for a mount itself all its paths. */
export function helpOf({ backend, spec }: Route): JsonObject {
  if (spec === undefined) {
    const paths = backend.paths.map((each) => `    ${each.pattern}\n        ${each.synopsis}`).join('\n\n');
    return { help: `## DESCRIPTION\n\n${backend.description}\n\n## PATHS\n\n${paths}\n`, see_also: null };
  }
  const fields = Object.entries(spec.fields ?? {})
    .map(([name, { type, doc }]) => `    ${name} (${type})\n        ${doc}`)
    .join('\n\n');
  const parts = [
    `Request:        ${spec.pattern}`,
    `Operations:     ${Object.keys(spec.on).join(', ')}`,
    '',
    spec.synopsis,
    ...(spec.description === undefined ? [] : ['', spec.description]),
    ...(fields === '' ? [] : ['', '## PARAMETERS', '', fields]),
  ];
  return { help: `${parts.join('\n')}\n`, see_also: null };
}
