export { type AccessTokens, createAccessTokens, type TokenSeal } from './access/tokens.ts';
export type { Blobs, OpenBlob } from './blobs/blobs.ts';
export type { Blob, Upload } from './blobs/store.ts';
export type { Collected } from './garbage.ts';
export { type Manifests, type PutManifest, registryAudited } from './manifests/manifests.ts';
export type { Referrer, StoredManifest } from './manifests/store.ts';
export { registryMigrations } from './migrations.ts';
export { createRegistry, type Registry, type RegistryDeps } from './registry.ts';
export { registryRoutes } from './routes.ts';
