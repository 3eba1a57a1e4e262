import { createHmac } from 'node:crypto';
import { SecretBytes, utf8 } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { isWanted, matchesPattern, trustOf } from './match.ts';
import { verifyWebhook, type WebhookProvider } from './webhook.ts';

const key = 'a-shared-secret-of-some-length';
const now = new Date('2026-06-01T12:00:00Z');
const body = utf8('{"ref":"refs/heads/main"}');
const hex = createHmac('sha256', key).update(body).digest('hex');
const stamp = String(now.getTime() / 1000);
const standard = (id: string, time: string, secret: string | Buffer = key): string =>
  `v1,${createHmac('sha256', secret).update(`${id}.${time}.`).update(body).digest('base64')}`;

const verify = (provider: WebhookProvider, headers: Record<string, unknown>, more: object = {}) =>
  verifyWebhook({ provider, headers, body, secret: SecretBytes.fromUtf8(key), now, ...more });

describe('verifyWebhook', () => {
  it('takes what each forge signs', () => {
    const github = {
      'x-hub-signature-256': `sha256=${hex}`,
      'x-github-delivery': 'd-1',
      'x-github-event': 'push',
    };
    const whsec = `whsec_${Buffer.from(key).toString('base64')}`;

    expect(verify('github', github)).toEqual({ id: 'd-1', event: 'push' });
    expect(verify('gitea', { 'x-gitea-signature': hex, 'x-gitea-delivery': 'd-2' }).id).toBe('d-2');
    expect(verify('gitlab', { 'x-gitlab-token': key, 'x-gitlab-event-uuid': 'd-3' }).id).toBe('d-3');
    const signed = {
      'webhook-id': 'd-4',
      'webhook-timestamp': stamp,
      'webhook-signature': `v1,AAAA ${standard('d-4', stamp)}`,
    };
    expect(verify('gitlab', signed).id).toBe('d-4');
    expect(verify('gitlab', signed, { secret: SecretBytes.fromUtf8(whsec) }).id).toBe('d-4');
  });

  it.each<[string, WebhookProvider, Record<string, unknown>]>([
    ['nothing', 'github', {}],
    ['no signature', 'github', { 'x-github-delivery': 'd' }],
    ['SHA-1 only', 'github', { 'x-hub-signature': `sha1=${hex}`, 'x-github-delivery': 'd' }],
    [
      'another key',
      'github',
      {
        'x-hub-signature-256': `sha256=${createHmac('sha256', 'no').update(body).digest('hex')}`,
        'x-github-delivery': 'd',
      },
    ],
    [
      'a cut signature',
      'github',
      { 'x-hub-signature-256': `sha256=${hex.slice(0, 62)}`, 'x-github-delivery': 'd' },
    ],
    [
      'a signature with a tail',
      'github',
      { 'x-hub-signature-256': `sha256=${hex}00`, 'x-github-delivery': 'd' },
    ],
    ['an empty signature', 'github', { 'x-hub-signature-256': 'sha256=', 'x-github-delivery': 'd' }],
    ['two signatures', 'github', { 'x-hub-signature-256': [`sha256=${hex}`, 'x'], 'x-github-delivery': 'd' }],
    ['no delivery id', 'github', { 'x-hub-signature-256': `sha256=${hex}` }],
    [
      'a hostile delivery id',
      'github',
      { 'x-hub-signature-256': `sha256=${hex}`, 'x-github-delivery': 'a\nb' },
    ],
    ['a wrong token', 'gitlab', { 'x-gitlab-token': `${key}x`, 'x-gitlab-event-uuid': 'd' }],
    ['no token', 'gitlab', { 'x-gitlab-event-uuid': 'd' }],
    [
      'an old time',
      'gitlab',
      {
        'webhook-id': 'd',
        'webhook-timestamp': '1700000000',
        'webhook-signature': standard('d', '1700000000'),
      },
    ],
    [
      'another id',
      'gitlab',
      { 'webhook-id': 'e', 'webhook-timestamp': stamp, 'webhook-signature': standard('d', stamp) },
    ],
    [
      'a wrong signature beside a right token',
      'gitlab',
      {
        'x-gitlab-token': key,
        'webhook-id': 'd',
        'webhook-timestamp': stamp,
        'webhook-signature': 'v1,AAAA',
      },
    ],
    [
      'a signature of another forge',
      'gitea',
      { 'x-hub-signature-256': `sha256=${hex}`, 'x-gitea-delivery': 'd' },
    ],
  ])('refuses %s, without saying why', (_, provider, headers) => {
    expect(() => verify(provider, headers)).toThrow('the webhook was refused');
  });

  it('refuses another body and a secret that is too short', () => {
    const github = { 'x-hub-signature-256': `sha256=${hex}`, 'x-github-delivery': 'd-1' };
    const empty = createHmac('sha256', '').update(body).digest('hex');

    expect(() => verify('github', github, { body: utf8('{}') })).toThrow();
    const weak = { ...github, 'x-hub-signature-256': `sha256=${empty}` };
    expect(() => verify('github', weak, { secret: SecretBytes.fromUtf8('') })).toThrow();
  });
});

describe('triggers', () => {
  it('match patterns', () => {
    expect(matchesPattern('main', 'main')).toBe(true);
    expect(matchesPattern('main', 'mainx')).toBe(false);
    expect(matchesPattern('release/*', 'release/1/2')).toBe(true);
    expect(matchesPattern('v*-rc*', 'v1-rc2')).toBe(true);
    expect(matchesPattern('a*a', 'a')).toBe(false);
    expect(matchesPattern('*', '')).toBe(true);
  });

  it('start runs for what the definition names', () => {
    const triggers = { push: ['main'], tag: ['v*'], pull_request: 'untrusted' } as const;

    const wanted = ['refs/heads/main', 'refs/tags/v1', 'refs/pull/1/head', 'refs/merge-requests/1/head'];
    expect(wanted.map((ref) => isWanted({ ...triggers, push: ['main'], tag: ['v*'] }, ref))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(isWanted({ push: ['main'] }, 'refs/heads/other')).toBe(false);
    expect(isWanted({ push: ['*'] }, 'refs/tags/main')).toBe(false);
    expect(isWanted({ push: ['*'] }, 'refs/pull/1/head')).toBe(false);
  });

  it('trust only a protected ref on the protected branch', () => {
    const protectedRefs = ['refs/heads/main', 'refs/tags/v*'];
    const trust = (ref: string, isOnProtectedBranch: boolean) =>
      trustOf({ ref, protectedRefs, isOnProtectedBranch });

    expect(trust('refs/heads/main', true)).toBe('trusted');
    expect(trust('refs/tags/v1', true)).toBe('trusted');
    expect(trust('refs/tags/v1', false)).toBe('untrusted');
    expect(trust('refs/heads/other', true)).toBe('untrusted');
    expect(trustOf({ ref: 'refs/pull/1/head', protectedRefs: ['*'], isOnProtectedBranch: true })).toBe(
      'untrusted',
    );
  });
});
