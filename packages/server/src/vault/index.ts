export { createHandler } from './http/handler.ts';
export { backendsOf, createVault, type Vault, type VaultDeps } from './vault.ts';
