export { auditRoutes } from './audit/routes.ts';
export { type AuditSettings, configuredDevices } from './audit/settings.ts';
export { createHandler } from './http/handler.ts';
export type { NativeSecrets } from './native/secrets.ts';
export type { NativeRights, NativeSignIn } from './native/sign-in.ts';
export type { OldSecret, TakeOver } from './native/take-over.ts';
export type { ServerFacts, Sys } from './sys/ports.ts';
export { answerSealed, type SealControl } from './sys/sealed.ts';
export { openVault, type Vault, type VaultDeps } from './vault.ts';
