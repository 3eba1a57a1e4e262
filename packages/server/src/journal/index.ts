export type { AuditCursor, AuditLine } from './audit-reader.ts';
export type { AuditReport } from './audit-verify.ts';
export type { Finding } from './findings.ts';
export { createJournal, type Journal, type JournalDeps } from './journal.ts';
export type { Decide } from './lane.ts';
export { journalMigrations } from './migrations.ts';
export { type RecordAt, type RecordPath, recordAt, recordIn } from './record-at.ts';
export { type Codec, type RecordCipher, ScopeNotOpen, type Space, type Stamped, type Turn } from './turn.ts';
