export type { SecretAddress } from './address.ts';
export type { GrantedSecret, Grants, PinnedSecrets, WantedByHolder, WantedSecret } from './grants/grants.ts';
export { buildEnvironment } from './grants/holder.ts';
export { secretsMigrations } from './migrations.ts';
export { secretsRoutes } from './routes.ts';
export { createSecrets, type Secrets, type SecretsDeps, secretsAudited } from './secrets.ts';
export type { PutSecret, SecretVersion, Values } from './values.ts';
