import type { KeyObject } from 'node:crypto';
import type { Curve } from './key-types.ts';

export type SignatureForm = 'der' | 'ieee-p1363';

/** What the key thread is asked. Keys travel as KeyObjects: their bytes are shared, not copied. */
export type KeyJob =
  | {
      readonly do: 'sign';
      readonly key: KeyObject;
      readonly hash: string;
      readonly input: Uint8Array;
      readonly padding: number | undefined;
      readonly saltLength: number | undefined;
      readonly form: SignatureForm;
    }
  | {
      readonly do: 'rsa-private';
      readonly key: KeyObject;
      readonly padding: number;
      readonly block: Uint8Array;
    }
  | { readonly do: 'rsa-oaep'; readonly key: KeyObject; readonly hash: string; readonly block: Uint8Array }
  | {
      readonly do: 'ecdsa-sign';
      readonly key: KeyObject;
      readonly curve: Curve;
      readonly digest: Uint8Array;
      readonly form: SignatureForm;
    }
  | {
      readonly do: 'ecdsa-verify';
      readonly key: KeyObject;
      readonly curve: Curve;
      readonly digest: Uint8Array;
      readonly signature: Uint8Array;
      readonly form: SignatureForm;
    };

export interface KeyRequest {
  readonly id: number;
  readonly job: KeyJob;
}

/** `undefined` when the job failed, for whatever reason: an error's text could quote what it was about. */
export interface KeyReply {
  readonly id: number;
  readonly result: Uint8Array | boolean | undefined;
}
