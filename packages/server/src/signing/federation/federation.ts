import { Fault, isFault } from '@sallyport/formats';
import type { Actor, Audit, AuditedTable, Clock, Db, Log, Tx } from '#platform';
import { createSharedRead } from '../shared-read.ts';
import type { Claims } from './claims.ts';
import { lintRule, type RuleFinding } from './lint.ts';
import { saidBy } from './mappings.ts';
import { matches } from './match.ts';
import type { Principal } from './principal.ts';
import { type FederationRule, parseRule, type RuleDraft, ruleResource, ruleState } from './rule.ts';
import { federationStore as store } from './store.pg.ts';
import { maxRules } from './store.ts';
import { checkTokenTimes } from './token-times.ts';

/**
 * Gives the payload of a token whose signature was verified, with keys that were fetched within bounds. `issuerOf`
 * is asked with a name nobody vouches for yet. Faults: `invalid` for a token, `unavailable` for an issuer.
 */
export type VerifyToken = (
  text: string,
  issuerOf: (name: string) => Promise<Pick<FederationRule, 'issuer' | 'jwksUrl' | 'caPem'> | undefined>,
) => Promise<Claims>;

export interface FederationDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly verifyToken: VerifyToken;
  /** Tokens of our own steps, which end with their step. Throws for all others. */
  readonly ownTokens: { readonly issuer: string; verify(text: string): Promise<Claims> };
}

/** Rules that say which workloads and people get a certificate for their token. */
export interface Federation {
  /** What is wrong or unwise with a rule; nothing is stored. */
  lint(draft: RuleDraft): readonly RuleFinding[];
  /** Throws `signing.rule_refused` with the findings, `signing.rule_exists`. */
  add(draft: RuleDraft, actor: Actor): Promise<{ rule: FederationRule; findings: readonly RuleFinding[] }>;
  list(): Promise<readonly FederationRule[]>;
  get(name: string): Promise<FederationRule>;
  /** From the commit on, nobody gets in by this rule. Certificates live on for their ten minutes. */
  remove(name: string, actor: Actor): Promise<void>;
  /**
   * Who a token stands for, verified and let in by a rule that is current. Throws `unauthenticated` for a token that
   * proves nothing, `denied` for one that no rule lets in, `unavailable` when the issuer's keys cannot be had.
   */
  authenticate(token: string): Promise<Principal>;
}

export function createFederation(deps: FederationDeps): Federation {
  const { db, audit, clock, log, verifyToken, ownTokens } = deps;
  const currentRules = createSharedRead(() => db.statement((tx) => store.list(tx)));

  async function verified(token: string, rules: readonly FederationRule[]): Promise<Claims> {
    let own = false;
    try {
      return await verifyToken(token, async (issuer) => {
        own = issuer === ownTokens.issuer;
        return own ? undefined : rules.find((rule) => rule.issuer === issuer);
      });
    } catch (error) {
      // Our own tokens also end with their step, which only identity knows.
      if (own) return ownTokens.verify(token);
      if (isFault(error) && error.kind !== 'invalid') throw error;
      throw new Fault('unauthenticated', 'signing.token_refused', 'expected a token of a known issuer', {
        cause: error,
        hint: 'the token must be signed by an issuer of a rule: sally federation list',
      });
    }
  }

  return {
    lint: (draft) => lintRule(parseRule(draft)),
    async add(draft, actor) {
      const rule = parseRule(draft);
      const findings = lintRule(rule);
      const refused = findings.filter(({ severity }) => severity === 'refused');
      if (refused.length > 0) {
        throw new Fault('precondition', 'signing.rule_refused', refused.map(({ why }) => why).join('; '), {
          hint: refused.map(({ fix }) => fix).join('; '),
          details: { findings: refused.map(({ code }) => code) },
        });
      }
      await db.write(async (tx) => {
        await store.lock(tx);
        checkBeside(rule, await store.list(tx), ownTokens.issuer);
        await store.insert(tx, rule, clock.now());
        await record(tx, 'signing.federation.added', rule, actor, ruleState(rule));
      });
      return { rule, findings };
    },
    list: () => db.read((tx) => store.list(tx)),
    async get(name) {
      const rule = await db.read((tx) => store.find(tx, name));
      if (rule === undefined) throw unknown(name);
      return rule;
    },
    remove: (name, actor) =>
      db.write(async (tx) => {
        await store.lock(tx);
        const rule = await store.find(tx, name);
        if (rule === undefined) throw unknown(name);
        await store.remove(tx, name);
        await record(tx, 'signing.federation.removed', rule, actor, null);
      }),
    async authenticate(token) {
      const rules = await currentRules();
      const claims = await verified(token, rules);
      checkTokenTimes(claims, clock.now());
      const rule = rules.find((each) => matches(each, claims));
      if (rule === undefined) {
        const { iss, sub, aud } = claims;
        // The refused learn no more than that; whoever runs the server finds here what to put into a rule.
        log.info({ iss, sub, aud }, 'no federation rule lets this token in');
        throw new Fault('denied', 'signing.no_rule', 'no federation rule lets this token in');
      }
      return {
        issuer: rule.issuer,
        rule: rule.name,
        ...saidBy(rule.kind, claims, rule.issuer, rule.webUrl),
      };
    },
  };

  function record(
    tx: Tx,
    type: string,
    rule: FederationRule,
    { kind, id }: Actor,
    state: ReturnType<typeof ruleState>,
  ): Promise<void> {
    return audit.record(tx, { type, actor: { kind, id }, resource: ruleResource(rule), state });
  }
}

/** For `ledger verify`: who gets certificates. */
export function federationAudited(): AuditedTable {
  return {
    kind: 'federation',
    states: async (tx) =>
      (await store.list(tx)).map((rule) => [ruleResource(rule), ruleState(rule)] as const),
  };
}

/** One issuer has one kind, one place for its keys and one view: two would make the order of rules decide. */
function checkBeside(rule: FederationRule, others: readonly FederationRule[], ownIssuer: string): void {
  if (others.length >= maxRules) {
    throw new Fault('exhausted', 'signing.too_many_rules', `expected at most ${maxRules} federation rules`);
  }
  if (others.some(({ name }) => name === rule.name)) {
    throw new Fault('conflict', 'signing.rule_exists', `federation rule "${rule.name}" exists already`, {
      hint: `sally federation remove ${rule.name} first, or take another name`,
    });
  }
  const same = others.find(({ issuer }) => issuer === rule.issuer);
  const differs =
    same !== undefined &&
    (same.kind !== rule.kind ||
      same.jwksUrl !== rule.jwksUrl ||
      same.caPem !== rule.caPem ||
      same.webUrl !== rule.webUrl);
  if (differs || (rule.kind === 'sallyport') !== (rule.issuer === ownIssuer)) {
    throw new Fault(
      'conflict',
      'signing.rule_differs',
      differs
        ? `expected kind, keys and web address as in rule "${same.name}" of the same issuer`
        : `expected kind "sallyport" for ${ownIssuer}, and for no other issuer`,
    );
  }
}

function unknown(name: string): Fault {
  return new Fault('not_found', 'signing.rule_unknown', `no federation rule "${name.slice(0, 80)}"`, {
    hint: 'sally federation list shows all',
  });
}
