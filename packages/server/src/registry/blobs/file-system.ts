import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';

/** The calls this context makes on a file system; a test gives one that fails where it wants. */
export interface FileSystem {
  open(path: string, flags: string, mode?: number): Promise<FileHandle>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  stat(path: string): Promise<{ readonly size: number; readonly mtime: Date }>;
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
}

export const nodeFileSystem: FileSystem = { open, rename, unlink, stat, mkdir, readdir };
