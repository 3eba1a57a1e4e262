import { issuerKinds } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { FederationRule } from './rule.ts';
import { type FederationStore, maxRules } from './store.ts';

interface RuleRow {
  name: string;
  kind: string;
  issuer: string;
  audience: string;
  claims: Record<string, string>;
  jwks_url: string | null;
  ca_pem: string;
  web_url: string | null;
  created_at: Date;
}

interface Tables {
  signing_federation_rules: RuleRow;
}

export const federationStore: FederationStore = {
  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_federation_rules')
      .selectAll()
      .orderBy('name')
      .limit(maxRules)
      .execute();
    return rows.map(toRule);
  },
  async find(tx, name) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_federation_rules')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    return row && toRule(row);
  },
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/federation', 0))`.execute(tx);
  },
  async insert(tx, rule, createdAt) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_federation_rules')
      .values({
        name: rule.name,
        kind: rule.kind,
        issuer: rule.issuer,
        audience: rule.audience,
        claims: JSON.stringify(rule.claims) as unknown as Record<string, string>,
        jwks_url: rule.jwksUrl ?? null,
        ca_pem: rule.caPem,
        web_url: rule.webUrl ?? null,
        created_at: createdAt,
      })
      .execute();
  },
  async remove(tx, name) {
    await tablesOf<Tables>(tx).deleteFrom('signing_federation_rules').where('name', '=', name).execute();
  },
};

function toRule(row: RuleRow): FederationRule {
  const kind = issuerKinds.find((known) => known === row.kind);
  if (kind === undefined) {
    throw new Fault('integrity', 'signing.row_torn', `federation rule ${row.name}: expected a known kind`);
  }
  return {
    name: row.name,
    kind,
    issuer: row.issuer,
    audience: row.audience,
    claims: row.claims,
    jwksUrl: row.jwks_url ?? undefined,
    caPem: row.ca_pem,
    webUrl: row.web_url ?? undefined,
  };
}
