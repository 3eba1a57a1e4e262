import { createRequire } from 'node:module';
import type { TSchema } from 'typebox';
import type { Validator } from 'typebox/compile';

/** What is wrong with a value, and where. */
type Problems = ReturnType<Validator['Errors']>;

/** What a value has to look like: a schema, made into code when the first value comes. */
export interface Shape {
  /** For texts of a path or a query: numbers and booleans where the schema says so. */
  converted(value: unknown): unknown;
  /** None when the value fits. */
  problems(value: unknown): Problems;
}

const require = createRequire(import.meta.url);

/**
 * Routes are declared with some hundred schemas, and an idle server needs no check of any: what makes them is loaded with
 * the first one, and each is made when it is used first (together 5 MB, and a tenth of the start). At once and not by
 * `import()`: of a check that answers later Fastify would take every answer for yes.
 */
export function shapeOf(schema: TSchema): Shape {
  let validator: Validator | undefined;
  return {
    converted(value) {
      const { Value }: typeof import('typebox/value') = require('typebox/value');
      return Value.Convert(schema, value);
    },
    problems(value) {
      validator ??= compiled(schema);
      return validator.Check(value) ? [] : validator.Errors(value);
    },
  };
}

function compiled(schema: TSchema): Validator {
  const { Compile }: typeof import('typebox/compile') = require('typebox/compile');
  return Compile(schema);
}
