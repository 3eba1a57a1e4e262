import { setTimeout as sleep } from 'node:timers/promises';
import type { PromotionView } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Client, Place } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, digestOf, placeFlags, placeOf, short } from '../../connect.ts';

const reasonFlag = {
  reason: { type: 'string', short: 'm', value: 'TEXT', doc: 'why, for the record' },
} as const;
const waitFlag = {
  wait: { type: 'boolean', short: 'w', doc: 'wait until it runs, waits for somebody, or is refused' },
} as const;

export const promote: Command = {
  name: ['promote'],
  summary: 'ask to move a digest into an environment; its gates decide',
  args: [
    { name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' },
    { name: 'ENVIRONMENT', doc: 'where to' },
  ],
  flags: { ...placeFlags, ...reasonFlag, ...waitFlag },
  examples: ['sally promote 4f8a12c9 prod', 'sally promote 4f8a12c9 prod --wait --reason "release 12"'],
  run: async (invocation) => {
    const client = connect(invocation);
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const place = placeOf(invocation, invocation.arg(1));
    return follow(
      invocation,
      client,
      place,
      await client.releases.promote(place, digest, invocation.flag('reason')),
    );
  },
};

export const rollback: Command = {
  name: ['rollback'],
  summary: 'go back to the last healthy release, judged again, and hold automatic promotion',
  args: [{ name: 'ENVIRONMENT', doc: 'where' }],
  flags: {
    ...placeFlags,
    ...reasonFlag,
    ...waitFlag,
    to: { type: 'string', value: 'DIGEST', doc: 'another digest than the last healthy one' },
  },
  examples: [
    'sally rollback prod --reason "orders time out"',
    'sally rollback prod --to 4f8a12c9 -m "known good"',
  ],
  run: async (invocation) => {
    const client = connect(invocation);
    const place = placeOf(invocation, invocation.arg(0));
    const to = invocation.flag('to');
    const digest = to === undefined ? undefined : await digestOf(invocation, client, to);
    const reason = invocation.flag('reason') ?? 'no reason given';
    return follow(invocation, client, place, await client.releases.rollback(place, reason, digest));
  },
};

/** Nothing more happens to it by itself soon: it is over, or it waits for a person or for time. */
const settled = new Set(['waiting', 'awaiting', 'held', 'refused', 'healthy', 'failed', 'superseded']);
const waits = new Set(['waiting', 'awaiting', 'held']);

async function follow(
  invocation: Invocation,
  client: Client,
  place: Place,
  promotion: PromotionView,
): Promise<number | undefined> {
  const { out } = invocation;
  const now = invocation.on('wait') ? await settle(invocation, client, place, promotion) : promotion;
  out.data(now, () => `${now.id} ${now.state}${now.outcome === '' ? '' : `: ${now.outcome}`}`);
  if (waits.has(now.state) || now.state === 'refused') {
    out.note(`sally why ${short(now.digest)} ${place.environment} tells what is missing`);
  }
  if (now.state === 'refused') {
    out.error(
      new Fault(
        'precondition',
        'release.refused',
        `the gates of ${place.environment} refuse ${short(now.digest)}`,
      ),
    );
    return 5;
  }
  return now.state === 'failed' ? 1 : undefined;
}

async function settle(
  { out, whenInterrupted }: Invocation,
  client: Client,
  place: Place,
  promotion: PromotionView,
): Promise<PromotionView> {
  whenInterrupted(() => out.note(`${promotion.id} goes on: sally status shows it`));
  const done = out.progress(`promoting ${short(promotion.digest)} to ${place.environment}`);
  try {
    for (let now = promotion; ; ) {
      if (settled.has(now.state)) return now;
      await sleep(300);
      const all = await client.releases.promotions(place.project);
      const next = all.find((each) => each.id === promotion.id) ?? now;
      if (next.state !== now.state) out.note(`${short(next.digest)} in ${place.environment}: ${next.state}`);
      now = next;
    }
  } finally {
    done();
  }
}

export const approve: Command = {
  name: ['approve'],
  summary: 'agree, as a person, to a digest in an environment; the agreement is signed evidence',
  args: [
    { name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' },
    { name: 'ENVIRONMENT', doc: 'where' },
  ],
  flags: { ...placeFlags, ...reasonFlag },
  examples: ['sally approve 4f8a12c9 prod --reason "checked the change with Ada"'],
  run: async (invocation) => {
    const client = connect(invocation);
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const place = placeOf(invocation, invocation.arg(1));
    const approval = await client.releases.approve(place, digest, invocation.flag('reason'));
    invocation.out.data(
      approval,
      () => `${approval.name} approves ${short(digest)} for ${place.environment}`,
    );
    return undefined;
  },
};

export const refuse: Command = {
  name: ['refuse'],
  summary: 'end a promotion that waits',
  args: [
    { name: 'PROMOTION', doc: 'its id' },
    { name: 'ENVIRONMENT', doc: 'where' },
  ],
  flags: { ...placeFlags, ...reasonFlag },
  examples: ['sally refuse prm_01a1f87fcb7c prod --reason "wait for the migration"'],
  run: async (invocation) => {
    const place = placeOf(invocation, invocation.arg(1));
    const reason = invocation.flag('reason') ?? 'no reason given';
    const refused = await connect(invocation).releases.refuse(place, invocation.arg(0), reason);
    invocation.out.data(refused, () => `${refused.id} ${refused.state}: ${refused.outcome}`);
    return undefined;
  },
};

export const hold: Command = {
  name: ['hold'],
  summary: 'suspend automatic promotion into an environment',
  args: [{ name: 'ENVIRONMENT', doc: 'where' }],
  flags: { ...placeFlags, ...reasonFlag },
  examples: ['sally hold prod --reason "release freeze"'],
  run: async (invocation) => {
    const place = placeOf(invocation, invocation.arg(0));
    await connect(invocation).releases.hold(place, invocation.flag('reason') ?? 'no reason given');
    invocation.out.data({ held: true }, () => `${place.environment} is held`);
    return undefined;
  },
};

export const unhold: Command = {
  name: ['unhold'],
  summary: 'let automatic promotion go on',
  args: [{ name: 'ENVIRONMENT', doc: 'where' }],
  flags: placeFlags,
  examples: ['sally unhold prod'],
  run: async (invocation) => {
    const place = placeOf(invocation, invocation.arg(0));
    const { lifted } = await connect(invocation).releases.unhold(place);
    invocation.out.data(
      { lifted },
      () => `${place.environment} ${lifted ? 'is no longer held' : 'was not held'}`,
    );
    return undefined;
  },
};
