import type { Json } from '#platform';
import type { SignerPolicy } from '../signatures/verify.ts';
import type { WebhookProvider } from '../triggers/webhook.ts';

export interface Repository extends SignerPolicy {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  /** Path or URL. */
  readonly source: string;
  /** The protected branch: definitions are read from it, and only what is on it is trusted. */
  readonly defaultRef: string;
  /** Patterns of full refs whose pushes start trusted runs. */
  readonly protectedRefs: readonly string[];
  readonly definitionPath: string;
  /** 0: only by webhook or by hand. */
  readonly pollSeconds: number;
  readonly webhook?: WebhookProvider;
  readonly polledAt?: Date;
  readonly pollError?: string;
  readonly createdAt: Date;
}

export const repositoryResource = ({ id }: Pick<Repository, 'id'>): string => `repository/${id}`;

export function repositoryState(repository: Repository): Json {
  return {
    id: repository.id,
    project: repository.project,
    name: repository.name,
    source: repository.source,
    defaultRef: repository.defaultRef,
    protectedRefs: [...repository.protectedRefs],
    definitionPath: repository.definitionPath,
    allowedSigners: repository.allowedSigners,
    openPgpKeys: repository.openPgpKeys,
    revoked: repository.revoked,
    pollSeconds: repository.pollSeconds,
    webhook: repository.webhook ?? null,
  };
}
