import { randomBytes, randomUUID } from 'node:crypto';
import { type Mount, systemEnvironment } from './mount.ts';

export interface NewMount {
  readonly path: string;
  readonly kind: Mount['kind'];
  readonly type: string;
  readonly description?: string;
  readonly environment?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly config?: Partial<Mount['config']>;
  readonly local?: boolean;
  readonly sealWrap?: boolean;
}

export function newMount(made: NewMount): Mount {
  const prefix = made.kind === 'auth' ? `auth_${made.type}` : made.type;
  return {
    id: randomUUID(),
    path: made.path,
    kind: made.kind,
    type: made.type,
    accessor: `${prefix}_${randomBytes(4).toString('hex')}`,
    description: made.description ?? '',
    environment: made.environment ?? systemEnvironment,
    options: made.options ?? {},
    config: {
      defaultLeaseTtl: 0,
      maxLeaseTtl: 0,
      forceNoCache: false,
      tokenType: '',
      listingVisibility: '',
      auditNonHmacRequestKeys: [],
      auditNonHmacResponseKeys: [],
      passthroughRequestHeaders: [],
      allowedResponseHeaders: [],
      ...made.config,
    },
    local: made.local ?? false,
    sealWrap: made.sealWrap ?? false,
  };
}
