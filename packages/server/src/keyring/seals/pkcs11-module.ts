import { Fault } from '@sallyport/formats';

type Handle = Buffer;
interface Attribute {
  readonly type: number;
  readonly value: Buffer | number | boolean | string;
}
export interface Mechanism {
  readonly mechanism: number;
  readonly parameter: object;
}

/** The part of the PKCS#11 binding (version 2.40 of the interface) that a seal needs. */
export interface Pkcs11 {
  load(library: string): void;
  close(): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(withToken: boolean): readonly Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, user: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle, most: number): readonly Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_EncryptAsync(session: Handle, input: Buffer, output: Buffer): Promise<Buffer>;
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_DecryptAsync(session: Handle, input: Buffer, output: Buffer): Promise<Buffer>;
}

export interface Pkcs11Module extends Readonly<Record<string, unknown>> {
  readonly PKCS11: new () => Pkcs11;
}

/**
 * An optional dependency, because it is compiled where it is installed and few need it. Its name is no literal in the
 * import, so that types and bundles do not depend on it either.
 */
const binding: string = 'pkcs11js';

export async function loadPkcs11(): Promise<Pkcs11Module> {
  try {
    const loaded: { readonly default: Pkcs11Module } = await import(binding);
    return loaded.default;
  } catch (cause) {
    throw new Fault(
      'unavailable',
      'keyring.seal_unavailable',
      `expected the optional package "${binding}", got none that loads`,
      { cause, hint: 'install it where a C++ compiler and the headers of Node.js are' },
    );
  }
}

export function codeOf(error: unknown): number {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : 0;
}

/** A return value of the token by name and number; never what was passed in. */
export function tokenFault(what: string, cause: unknown): Fault {
  const name = cause instanceof Error && /^CKR_\w+$/.test(cause.message) ? ` (${cause.message})` : '';
  return new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected the PKCS#11 token to ${what}, got a refusal${name}`,
    { hint: 'check library, token, PIN, key and the mechanisms that the token allows' },
  );
}
