export const wrappingPolicyName = 'response-wrapping';

/** Lets a wrapping token do the one thing it is for. */
export const wrappingPolicyText = `
path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`;
