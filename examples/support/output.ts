import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';

/** Ends the command where a file could not be written: said at once, not when the training is done. */
export function checkWritable(command: Command, file: string): void {
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch {
    command.error(`error: --out ${file} cannot be written: its folder is not there, or not to be written to`);
  }
}
