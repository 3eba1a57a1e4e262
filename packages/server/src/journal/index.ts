export { createJournal, type Journal, type JournalDeps } from './journal.ts';
export type { Decide } from './lane.ts';
export { journalMigrations } from './migrations.ts';
export type { Codec, RecordCipher, Space, Turn } from './turn.ts';
