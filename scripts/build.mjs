/**
 * Builds `dist`: the bins and their chunks. Node loads a few CommonJS files much faster than some hundred ES modules,
 * and a command that takes a blink is used more often. Types are checked by `tsc` apart; packages that are large or
 * load others (fastify, undici, pino) stay packages and are loaded when they are needed.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outDir = process.argv[2] ?? join(root, 'dist');
const BINS = { cli: join(root, 'src/cli.ts'), robin: join(root, 'src/robin.ts') };

/** What an everyday command such as `kmi status` needs, and what parsing options and `--help` need beside it: one file each. */
const EVERYDAY = ['src/cli/views/status/run.ts', 'src/cli/command/context.ts', 'src/config/load.ts'];
const COMMAND_LINE = ['src/cli/command-line.ts'];
const inEveryday = reachableFrom(EVERYDAY);
const inCommandLine = reachableFrom(COMMAND_LINE);
const CHUNKS = [
  { name: 'start', test: reachableFrom(['src/cli/program.ts']) },
  { name: 'shared', test: (id) => inEveryday(id) && inCommandLine(id) },
  { name: 'everyday', test: inEveryday },
  { name: 'command-line', test: inCommandLine },
];

/** Loaded from node_modules when they are needed. */
const PACKAGES = ['fastify', 'undici', 'pino'];

/**
 * commander loads node:child_process for a feature nobody uses here (subcommands as programs of their own), and with it
 * the network stack. It gets one that loads when asked.
 */
const lazyChildProcess = {
  name: 'lazy-child-process',
  resolveId(source, importer) {
    return isUnusedByCommander(source, importer) ? '\0lazy-child-process' : null;
  },
  load(id) {
    if (id !== '\0lazy-child-process') return null;
    return 'module.exports = new Proxy({}, { get: (_, name) => process.getBuiltinModule("node:child_process")[name] });';
  },
};

function isUnusedByCommander(id, importer) {
  return id === 'node:child_process' && (importer?.includes('node_modules/commander') ?? false);
}

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
  external: (id, importer) => (id.startsWith('node:') && !isUnusedByCommander(id, importer)) || PACKAGES.includes(id),
  plugins: [lazyChildProcess, importGraph],
  logLevel: 'warn',
  checks: { ineffectiveDynamicImport: false },
});
await bundle.write({
  dir: outDir,
  format: 'cjs',
  sourcemap: true,
  // `import()` of a package or of node:net would have Node set up its loader of ES modules: 2.5 ms of `kmi status` (npm run bench:cli).
  dynamicImportInCjs: false,
  // Comments and white space are a third of what Node would read at every start.
  minify: { compress: false, mangle: false, codegen: true },
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  codeSplitting: {
    groups: CHUNKS.map((chunk, n) => ({ ...chunk, priority: CHUNKS.length - n })),
  },
});
// The package is one of ES modules; its built files are not.
writeFileSync(join(outDir, 'package.json'), '{ "type": "commonjs" }\n');
writeFileSync(join(outDir, 'LICENSES.txt'), licensesOf(imports.keys()));
for (const name of Object.keys(BINS)) chmodSync(join(outDir, `${name}.js`), 0o755);

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
