import type { Backend } from '../backend.ts';
import { auditPaths } from './audit-paths.ts';
import { auditedHeaderPaths } from './audited-headers.ts';
import { capabilityPaths } from './capability-paths.ts';
import { configPaths } from './config-paths.ts';
import { generateRootPaths } from './generate-root-paths.ts';
import { leasePaths } from './lease-paths.ts';
import { mountPaths } from './mount-paths.ts';
import { openApiPaths } from './openapi-paths.ts';
import { passwordPolicyPaths } from './password-policy-paths.ts';
import { policyPaths } from './policy-paths.ts';
import { quotaPaths } from './quota-paths.ts';
import { rekeyPaths } from './rekey-paths.ts';
import { remountPaths } from './remount.ts';
import { sealPaths } from './seal-paths.ts';
import { statusPaths } from './status-paths.ts';
import { toolPaths } from './tool-paths.ts';
import { uiPaths } from './ui-paths.ts';
import { wrappingPaths } from './wrapping-paths.ts';

/**
 * What is done with the server itself. One for each server: the ceremonies of share holders remember in it who began
 * them how. The paths that answer while it is sealed are in sealed.ts.
 */
export function createSysBackend(): Backend {
  return {
    type: 'system',
    description: 'Mounts, policies, leases, wrapping, audit, keys and the state of the server.',
    paths: [
      ...mountPaths('secret'),
      ...mountPaths('auth'),
      ...remountPaths,
      ...uiPaths,
      ...openApiPaths,
      ...passwordPolicyPaths,
      ...policyPaths,
      ...capabilityPaths,
      ...leasePaths,
      ...wrappingPaths,
      ...auditPaths,
      ...auditedHeaderPaths,
      ...configPaths,
      ...sealPaths,
      ...rekeyPaths(),
      ...generateRootPaths(),
      ...quotaPaths,
      ...toolPaths,
      ...statusPaths,
    ],
  };
}
