import { Fault } from '@sallyport/formats';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { permissionDenied } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { reaches } from '../mounts/environment.ts';
import { describeMount, type Mount, systemEnvironment } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import { namesOfMask } from '../policy/capability.ts';
import type { Grant } from '../policy/grant.ts';
import type { ParameterLimits } from '../policy/parameters.ts';
import { anySegment, type Pattern } from '../policy/pattern.ts';
import { shownPath } from './mount-paths.ts';

/** What command lines and consoles ask before they know what is mounted where. */
export const uiPaths: readonly PathSpec[] = [
  {
    pattern: 'internal/ui/mounts',
    synopsis: 'The mounts a token has business with; without one, those that are shown to everybody.',
    open: { reason: 'a login page must know the login methods that are shown to everybody' },
    on: { read: visibleMounts },
  },
  {
    pattern: 'internal/ui/mounts/:path*',
    synopsis: 'The mount that a path is below, for whoever has business there.',
    open: {
      reason: 'the handler asks the token’s policies about the path in question, instead of about this one',
    },
    on: { read: mountOfPath },
  },
  {
    pattern: 'internal/ui/resultant-acl',
    synopsis: 'What the policies of this token come to.',
    on: { read: resultantAcl },
  },
  {
    pattern: 'internal/ui/namespaces',
    synopsis: 'There are no namespaces.',
    on: { read: () => ({ data: { keys: [''] } }) },
  },
];

/** Whether somebody who asks may see that there is such a mount. */
export function maySee({ caller }: Call, mount: Mount): boolean {
  if (mount.config.listingVisibility === 'unauth') return true;
  return caller !== undefined && hasBusiness(caller, mount);
}

function hasBusiness(caller: NonNullable<Call['caller']>, mount: Mount): boolean {
  const { environment } = mount;
  if (environment === systemEnvironment) return caller.acl.reaches(mount.path);
  return reaches(caller, environment) && caller.acl.reaches(mount.path, environment);
}

function visibleMounts(call: Call): Reply {
  // A token that is none is refused; only who sends none at all is nobody.
  if (call.request.token !== undefined && call.caller === undefined) throw permissionDenied();
  const secret: Record<string, JsonObject> = {};
  const auth: Record<string, JsonObject> = {};
  for (const mount of mountsOf(call.turn).mounts) {
    if (!maySee(call, mount)) continue;
    const { type, description, options } = mount;
    const shown =
      call.caller === undefined
        ? { type, description, options: Object.keys(options).length === 0 ? null : options }
        : describeMount(mount);
    (mount.kind === 'auth' ? auth : secret)[shownPath(mount)] = shown;
  }
  return { data: { secret, auth } };
}

function mountOfPath(call: Call): Reply {
  const path = call.params['path'] ?? '';
  const mount = mountsOf(call.turn).find(path);
  // The same answer for no mount and for somebody else's, so that nobody finds mounts by guessing.
  if (mount === undefined || call.caller === undefined || !hasBusiness(call.caller, mount)) {
    throw new Fault(
      'denied',
      'vault.permission_denied',
      `preflight capability check returned 403, please ensure client's policies grant access to path "${path}/"`,
    );
  }
  return { data: { ...describeMount(mount), path: mount.path } };
}

function resultantAcl({ caller }: Call): Reply {
  if (caller === undefined) throw permissionDenied();
  if (caller.acl.root) return { data: { root: true } };
  const exact: Record<string, JsonObject> = {};
  const glob: Record<string, JsonObject> = {};
  for (const { pattern, grant } of caller.acl.rules()) {
    const isExact = !pattern.glob && pattern.wildcards === 0;
    (isExact ? exact : glob)[textOf(pattern)] = grantOf(grant);
  }
  return { data: { root: false, exact_paths: exact, glob_paths: glob } };
}

/** As the policy says it, without the asterisk that makes it a beginning: clients see that from where it stands. */
function textOf({ segments }: Pattern): string {
  return segments.map((segment) => (segment === anySegment ? '+' : segment)).join('/');
}

function grantOf(grant: Grant): JsonObject {
  return {
    capabilities: namesOfMask(grant.capabilities),
    ...(grant.minWrapSeconds === 0 ? {} : { min_wrapping_ttl: grant.minWrapSeconds }),
    ...(grant.maxWrapSeconds === 0 ? {} : { max_wrapping_ttl: grant.maxWrapSeconds }),
    ...(grant.allowed.size === 0 ? {} : { allowed_parameters: parametersOf(grant.allowed) }),
    ...(grant.denied.size === 0 ? {} : { denied_parameters: parametersOf(grant.denied) }),
    ...(grant.required.size === 0 ? {} : { required_parameters: [...grant.required] }),
  };
}

function parametersOf(parameters: ParameterLimits['allowed']): JsonObject {
  return Object.fromEntries([...parameters].map(([name, values]) => [name, values.map(plain)]));
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  return value;
}
