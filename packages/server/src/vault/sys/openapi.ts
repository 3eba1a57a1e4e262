import type { Backend, FieldDoc, PathSpec, Verb } from '../backend.ts';
import type { JsonObject } from '../fields.ts';

/** A backend, and below which path it answers. */
export interface Served {
  readonly path: string;
  readonly backend: Backend;
}

/**
 * The paths of `served` as an OpenAPI 3.0 document. It is made of the tables that requests are routed by, so it cannot
 * name a path that is not there.
 */
export function openApi(served: readonly Served[], facts: { readonly version: string }): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const { path, backend } of served) {
    for (const spec of backend.paths) {
      const { template, parameters } = templateOf(`/${path}${spec.pattern}`);
      paths[template] = {
        description: spec.synopsis,
        ...parametersOf(parameters),
        ...operations(path, spec),
      };
    }
  }
  return {
    openapi: '3.0.2',
    info: {
      title: 'Sallyport, the API of Vault',
      description: 'HTTP API below /v1.',
      version: facts.version,
      license: { name: 'Apache-2.0' },
    },
    paths,
  };
}

/** `:name` and `:name*` as `{name}`. */
function templateOf(path: string): { readonly template: string; readonly parameters: readonly string[] } {
  const parameters: string[] = [];
  const segments = path.split('/').map((segment) => {
    if (!segment.startsWith(':')) return segment;
    const name = segment.slice(1).replace(/\*$/, '');
    parameters.push(name);
    return `{${name}}`;
  });
  return { template: segments.join('/'), parameters };
}

function parametersOf(names: readonly string[]): JsonObject {
  if (names.length === 0) return {};
  return {
    parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
  };
}

const methods: Readonly<Record<Verb, 'get' | 'post' | 'patch' | 'delete'>> = {
  read: 'get',
  list: 'get',
  create: 'post',
  update: 'post',
  patch: 'patch',
  delete: 'delete',
};

function operations(mountPath: string, spec: PathSpec): JsonObject {
  const result: Record<string, JsonObject> = {};
  for (const verb of Object.keys(spec.on) as Verb[]) {
    const method = methods[verb];
    const { list: _both, ...before } = (result[method] ?? {}) as { list?: unknown };
    const mayList = verb === 'list' || (verb === 'read' && spec.on.list !== undefined);
    result[method] = {
      ...before,
      summary: spec.synopsis,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      operationId: operationId(mountPath, method, spec.pattern),
      tags: [tagOf(mountPath)],
      ...(mayList ? { parameters: [listParameter(verb === 'list' && spec.on.read === undefined)] } : {}),
      ...(method === 'post' || method === 'patch' ? bodyOf(spec.fields) : {}),
      responses:
        method === 'delete' ? { '204': { description: 'empty body' } } : { '200': { description: 'OK' } },
      ...(spec.open === undefined ? {} : { security: [] }),
    };
  }
  if (spec.sudo) result['x-vault-sudo'] = true as unknown as JsonObject;
  if (spec.open !== undefined) result['x-vault-unauthenticated'] = true as unknown as JsonObject;
  return result;
}

function listParameter(required: boolean): JsonObject {
  return {
    name: 'list',
    in: 'query',
    required,
    description: 'Must be "true" for a list.',
    schema: { type: 'string', enum: ['true'] },
  };
}

const fieldTypes: Readonly<Record<FieldDoc['type'], JsonObject>> = {
  string: { type: 'string' },
  integer: { type: 'integer' },
  boolean: { type: 'boolean' },
  duration: { type: 'string', format: 'seconds' },
  list: { type: 'array', items: { type: 'string' } },
  map: { type: 'object', additionalProperties: { type: 'string' } },
  object: { type: 'object' },
};

function bodyOf(fields: PathSpec['fields']): JsonObject {
  if (fields === undefined) return {};
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, { type, doc }]) => [name, { ...fieldTypes[type], description: doc }]),
  );
  return { requestBody: { content: { 'application/json': { schema: { type: 'object', properties } } } } };
}

function operationId(mountPath: string, method: string, pattern: string): string {
  const words = `${method}/${mountPath}${pattern}`.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return words.join('-').toLowerCase();
}

function tagOf(mountPath: string): string {
  return mountPath.startsWith('auth/')
    ? 'auth'
    : mountPath === 'sys/'
      ? 'system'
      : mountPath === 'identity/'
        ? 'identity'
        : 'secrets';
}
