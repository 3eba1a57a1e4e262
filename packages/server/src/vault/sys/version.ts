/**
 * What clients of Vault are told. They parse it and switch features on by it (Terraform's provider, hvac's tests), so it
 * is the version of the API that is spoken here; our own version stands beside it as `sallyport_version`.
 */
export const apiVersion = '1.16.0';
