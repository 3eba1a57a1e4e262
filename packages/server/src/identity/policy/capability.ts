import type { Capability } from '#platform';

export type { Capability };

export const capabilities: readonly Capability[] = ['create', 'read', 'update', 'delete', 'list', 'approve'];
