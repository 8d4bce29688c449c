import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

/** The version in package.json, which lies one level above both `src` and `dist`. */
export const VERSION: string = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;

/** Path of the bin `kmi`, which lies beside this file in `src` and in `dist`. */
export const CLI_PATH: string = join(import.meta.dirname, `cli${extname(import.meta.filename)}`);
