// Runs the command line program from a folder that is deleted under it: `in-lost-folder.mjs <cli.js> <folder> <arguments...>`.
import { mkdirSync, rmdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [node, , cli, folder, ...args] = process.argv;
mkdirSync(folder, { recursive: true });
process.chdir(folder);
rmdirSync(folder);
process.argv = [node, cli, ...args];
await import(pathToFileURL(cli).href);
