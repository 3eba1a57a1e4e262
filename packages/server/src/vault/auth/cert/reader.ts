import type { CertRole } from '../../credentials/cert/role.ts';
import type { ParseRole } from '../method/roles.ts';

/** All that has to do with reading certificates; loaded when it is needed for the first time. */
export interface Reader {
  readonly readPresented: typeof import('../../credentials/cert/match.ts').readPresented;
  readonly decideCertLogin: typeof import('../../credentials/cert/match.ts').decideCertLogin;
  readonly parseCrl: typeof import('../../credentials/cert/revocation.ts').parseCrl;
  readonly parseRole: ParseRole<CertRole>;
}

/** The library behind it holds 13 MB of memory, which a server without a mount of this method does not pay. */
export async function loadReader(): Promise<Reader> {
  const [{ readPresented, decideCertLogin }, { parseCrl }, { parseCertRole }] = await Promise.all([
    import('../../credentials/cert/match.ts'),
    import('../../credentials/cert/revocation.ts'),
    import('../../credentials/cert/role.ts'),
  ]);
  return { readPresented, decideCertLogin, parseCrl, parseRole: parseCertRole };
}
