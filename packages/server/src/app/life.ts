import type { SecretBytes } from '@sallyport/formats';
import type { SealControl } from '#vault';
import { type Ground, type Opened, openContexts } from './contexts.ts';
import { openRecords } from './open-records.ts';
import { createSys, factsOf } from './sys/sys.ts';
import { createVaultDoor } from './vault-door.ts';

export interface StartOptions {
  /** Whether an agent beside the server gets a token. */
  readonly localAgent: boolean;
  /** For trying things out: `secret/` is mounted, and there is a root token. */
  readonly dev?: boolean;
}

export interface StartTokens {
  /** Only while no administrator exists. */
  readonly bootstrapToken?: string;
  /** Only with `dev`. */
  readonly rootToken?: string;
}

/** From sealed to open and back. One step at a time: who seals while it opens waits until it is open. */
export interface Life {
  readonly opened: Opened | undefined;
  /** Opens a keyring that opens itself; gives false where people have to bring shares. */
  begin(options: StartOptions): Promise<StartTokens & { readonly open: boolean }>;
  end(): Promise<void>;
}

/** Before the first start nothing was sealed into the ledger. */
const nothingSealed = async () => ({ events: [] });

export function createLife(ground: Ground): Life {
  const { config, keyring, log, clock, audit } = ground;
  const facts = factsOf(ground);
  let opened: Opened | undefined;
  let localAgent = false;
  /** Said to be sealed from the first moment on: nothing is answered any more while the rest is put away. */
  let sealing = false;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const mine = last.then(step, step);
    last = mine;
    return mine;
  }

  const sys = createSys(ground, facts, () => {
    door.answerWith(undefined);
    sealing = true;
    inTurn(close)
      .catch((error: unknown) => log.error({ err: error }, 'sealing met an error; the keys are wiped'))
      .finally(() => {
        sealing = false;
      });
  });

  const control: SealControl = {
    facts,
    now: () => clock.now().getTime(),
    status: async () => {
      const was = sealing;
      const status = await keyring.status();
      return was || sealing ? { ...status, sealed: true, progress: 0 } : status;
    },
    resetUnseal: () => keyring.resetUnseal(),
    initialise: (options) =>
      inTurn(async () => {
        const made = await keyring.initialise(options);
        for (const share of made.shares.slice(0, options.shares?.threshold)) await keyring.unseal(share);
        try {
          return { ...made, rootToken: await firstRootToken() };
        } finally {
          // Whoever holds the shares decides when it opens.
          if (made.shares.length > 0) await keyring.seal();
        }
      }),
    unseal: (share: SecretBytes) =>
      inTurn(async () => {
        if ((await keyring.unseal(share)) && opened === undefined) await open();
      }),
  };
  const door = createVaultDoor(ground, control);

  async function firstRootToken(): Promise<string> {
    if (opened !== undefined) return await opened.vault.makeRootToken();
    const { journal, vault } = await openRecords(ground, { audit, sealedEvents: nothingSealed }, sys);
    try {
      return await vault.makeRootToken();
    } finally {
      await vault.close();
      await journal.close();
    }
  }

  async function open(): Promise<StartTokens> {
    try {
      opened = await openContexts(ground, sys);
      const started = await opened.start({ localAgent });
      door.answerWith(opened.vault);
      return started;
    } catch (error) {
      await close();
      throw error;
    }
  }

  async function close(): Promise<void> {
    door.answerWith(undefined);
    const was = opened;
    opened = undefined;
    try {
      await was?.stop();
    } finally {
      await keyring.seal();
    }
  }

  return {
    get opened() {
      return opened;
    },
    begin: (options) =>
      inTurn(async () => {
        ({ localAgent } = options);
        if ((await keyring.status()).byShares) return { open: false };
        await keyring.open();
        const tokens = await open();
        if (options.dev !== true || opened === undefined) return { open: true, ...tokens };
        return {
          open: true,
          ...tokens,
          rootToken: await opened.vault.prepareDev(config.devRootToken?.exposeUtf8()),
        };
      }),
    end: () => inTurn(close),
  };
}
