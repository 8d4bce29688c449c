#!/usr/bin/env node
import { main } from './cli/program.ts';

// Stands wherever `kimi` is called: every argument is the other program's.
void main(['kimi', ...process.argv.slice(2)]).then((code) => {
  process.exitCode = code;
});
