/**
 * The first text of the policy `default`, which tokens carry unless they are made without it; operators may change it.
 * It grants what Vault's does, no more: what a token may do with itself, and tools that reveal nothing of others.
 */
export const defaultPolicyText = `# A token may look at itself, live on and end itself.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# It may ask what it may do, one path at a time or all at once.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
  capabilities = ["read"]
}

# It may read the entity it acts for.
path "identity/entity/id/{{identity.entity.id}}" {
  capabilities = ["read"]
}
path "identity/entity/name/{{identity.entity.name}}" {
  capabilities = ["read"]
}

# It may look up and renew a lease whose id it knows; ids are unguessable.
path "sys/renew" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "sys/leases/lookup" {
  capabilities = ["update"]
}

# Its cubbyhole is its own: no other token sees the same one.
path "cubbyhole/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# It may wrap what it has, and open or inspect what somebody wrapped for it.
path "sys/wrapping/wrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}

# Hashing reveals nothing.
path "sys/tools/hash" {
  capabilities = ["update"]
}
path "sys/tools/hash/*" {
  capabilities = ["update"]
}

# It may begin a login at an OIDC provider of this server; the provider decides who is let in.
path "identity/oidc/provider/+/authorize" {
  capabilities = ["read", "update"]
}
`;
