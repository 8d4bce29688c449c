/**
 * Builds `dist`: the bins and their chunks. Node loads a few CommonJS files much faster than some hundred ES modules,
 * and a command that takes a blink is used more often. Types are checked by `tsc` apart; packages that are large or
 * load others (fastify, undici, pino) stay packages and are loaded when they are needed.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { INTRO, writeCodeCache } from './code-cache.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outDir = process.argv[2] ?? join(root, 'dist');
const BINS = { cli: join(root, 'src/cli.ts'), robin: join(root, 'src/robin.ts') };

/** What an everyday command such as `kmi status` needs, and what parsing options and `--help` need beside it: one file each. */
const EVERYDAY = [
  'src/cli/views/status/run.ts',
  'src/cli/command/context.ts',
  'src/cli/command/state-folder.ts',
  'src/config/load.ts',
  'src/usage/usage-reader.ts',
];
const COMMAND_LINE = ['src/cli/command-line.ts'];
const inEveryday = reachableFrom(EVERYDAY);
const inCommandLine = reachableFrom(COMMAND_LINE);
const inStart = reachableFrom(['src/cli/program.ts']);
const CHUNKS = [
  // What both need comes with the start: each file takes a third of a millisecond to find and load.
  { name: 'start', test: (id) => inStart(id) || (inEveryday(id) && inCommandLine(id)) },
  { name: 'everyday', test: inEveryday },
  { name: 'command-line', test: inCommandLine },
];

/** Loaded from node_modules when they are needed. */
const PACKAGES = ['fastify', 'undici', 'pino'];

/**
 * commander's modules are CommonJS, which a bundle keeps in a function each: Node would read their text twice, 1.3 ms of
 * `kmi --help` (`npm run bench:cli`). Here they become ES modules. node:child_process, for a feature nobody uses here
 * (subcommands as programs of their own), would bring the network stack; it is loaded when asked for.
 */
const COMMANDER = dirname(fileURLToPath(import.meta.resolve('commander')));
const COMMANDER_PARTS = { command: 'Command', error: 'CommanderError', option: 'Option' };
const commanderAsModules = {
  name: 'commander-as-modules',
  load(id) {
    if (id === join(COMMANDER, 'esm.mjs')) {
      return Object.entries(COMMANDER_PARTS)
        .map(([file, name]) => `export { ${name} } from './lib/${file}.js';`)
        .join('\n');
    }
    if (dirname(id) !== join(COMMANDER, 'lib')) return null;
    return readFileSync(id, 'utf8')
      .replace(
        "require('node:child_process')",
        "{ spawn: (...args) => process.getBuiltinModule('node:child_process').spawn(...args) }",
      )
      .replace(/^const (.+?) = require\(('.+?')\)(?:\.EventEmitter)?;$/gm, (_, names, from) => `import ${names} from ${from};`)
      .replace(/^exports\.(\w+) = \1;/gm, 'export { $1 };');
  },
};

/**
 * What a chunk exports stands at its end and never changes, so it needs no getters: 240 of them, 1 ms of `kmi status`
 * (`npm run bench:cli`).
 */
const GETTER = /Object\.defineProperty\(exports,("[\w$]+"),\{enumerable:true,get:function\(\)\{return ([\w$]+)\}\}\);/g;
const plainExports = {
  name: 'plain-exports',
  generateBundle(_, files) {
    for (const file of Object.values(files)) if (file.type === 'chunk') file.code = file.code.replace(GETTER, 'exports[$1]=$2;');
  },
};

/** Which module imports which, not counting imports on demand. */
const imports = new Map();
const importGraph = {
  name: 'import-graph',
  moduleParsed({ id, importedIds }) {
    imports.set(id, importedIds);
  },
};

/** Whether a module is loaded whenever one of the files is. Asked when all modules have been read. */
function reachableFrom(files) {
  let reached = null;
  return (id) => {
    reached ??= closure(files.map((file) => join(root, file)));
    return reached.has(id);
  };
}

function closure(ids) {
  const reached = new Set();
  const visit = (id) => {
    if (reached.has(id)) return;
    reached.add(id);
    for (const imported of imports.get(id) ?? []) visit(imported);
  };
  for (const id of ids) visit(id);
  return reached;
}

rmSync(outDir, { recursive: true, force: true });
const bundle = await rolldown({
  input: BINS,
  platform: 'node',
  external: (id) => id.startsWith('node:') || PACKAGES.some((name) => id === name || id.startsWith(`${name}/`)),
  plugins: [commanderAsModules, importGraph, plainExports],
  logLevel: 'warn',
  checks: { ineffectiveDynamicImport: false },
});
await bundle.write({
  dir: outDir,
  format: 'cjs',
  sourcemap: true,
  // `import()` of a package or of node:net would have Node set up its loader of ES modules: 2.5 ms of `kmi status` (npm run bench:cli).
  dynamicImportInCjs: false,
  // Node reads all of it at every start, comments, white space and long names alike. Functions keep their names, for stack traces.
  minify: { compress: false, mangle: { toplevel: false }, codegen: true },
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  intro: ({ isEntry }) => (isEntry ? INTRO : ''),
  codeSplitting: {
    groups: CHUNKS.map((chunk, n) => ({ ...chunk, priority: CHUNKS.length - n })),
  },
});
// The package is one of ES modules; its built files are not.
writeFileSync(join(outDir, 'package.json'), '{ "type": "commonjs" }\n');
writeFileSync(join(outDir, 'LICENSES.txt'), licensesOf(imports.keys()));
for (const name of Object.keys(BINS)) chmodSync(join(outDir, `${name}.js`), 0o755);
writeCodeCache(outDir);

/** The licences of the packages whose code went into the files. */
function licensesOf(ids) {
  const folders = new Set([...ids].map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]).filter(Boolean));
  const texts = [...folders].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined || !existsSync(join(folder, file))) throw new Error(`${name} has no licence file.`);
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}
