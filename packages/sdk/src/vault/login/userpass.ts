import type { SecretBytes } from '@sallyport/formats';
import { jsonOf } from '../json-write.ts';
import { issuedBy, type LoginSource } from './source.ts';

/** Signs a person in with a name and a password; once, as the password is not kept. */
export function userpassLogin(options: {
  /** Default `userpass`. */
  readonly mount?: string | undefined;
  readonly name: string;
  readonly password: SecretBytes;
}): LoginSource {
  const { mount = 'userpass', name, password } = options;
  const path = `auth/${mount}/login/${name}`;
  return {
    name: 'userpass',
    repeatable: false,
    async login({ calls }) {
      const body = jsonOf({ password: { text: password } });
      try {
        return issuedBy(await calls.send({ method: 'POST', path, body }), path);
      } finally {
        body.fill(0);
      }
    },
  };
}
