import type { Call, PathSpec, Reply } from '../backend.ts';
import { backendNameOf } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import { openApi, type Served } from './openapi.ts';
import { maySee } from './ui-paths.ts';

export const openApiPaths: readonly PathSpec[] = [
  {
    pattern: 'internal/specs/openapi',
    synopsis: 'This API as an OpenAPI document, as far as the caller has business with it.',
    fields: { generic_mount_paths: { type: 'boolean', doc: 'Whether mounts are named by a parameter.' } },
    open: { reason: 'shows whoever sends no token only what is shown to everybody' },
    on: { read: document, update: document },
  },
];

function document(call: Call): Reply {
  const { core, request, turn, fields } = call;
  const generic = fields.boolean('generic_mount_paths', request.query['generic_mount_paths'] === 'true');
  const served = mountsOf(turn)
    .mounts.filter((mount) => mount.type === 'system' || maySee(call, mount))
    .flatMap((mount): Served[] => {
      const backends = mount.kind === 'auth' ? core.backends.auth : core.backends.secret;
      const backend = backends.get(backendNameOf(mount));
      if (backend === undefined) return [];
      const named = generic && !['system', 'identity', 'cubbyhole', 'token'].includes(mount.type);
      const generalised = `${mount.kind === 'auth' ? 'auth/' : ''}:${mount.type}_mount_path/`;
      return [{ path: named ? generalised : mount.path, backend }];
    });
  const body = Buffer.from(JSON.stringify(openApi(served, { version: core.sys.facts.version })));
  return { raw: { contentType: 'application/json', body } };
}
