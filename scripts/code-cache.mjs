/**
 * V8's compiled code of the chunks that everyday commands load, kept beside them in `dist`: a third of the processor
 * time that `kmi status` takes beyond `node -e 0` (rows `kmi status` and `kmi --help` of `npm run bench:cli`).
 *
 * The build makes it, for the Node it runs on, by running the commands once: then functions that are compiled when they
 * are first called are in it too. Nothing is written later, so the cache is trusted as the code beside it is. Another
 * Node has no folder here and loads the chunks as it always does.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const HERE = fileURLToPath(import.meta.url);
const EVERYDAY = ['status', '--help'];
const KEYS = ['a', 'b', 'c'];

/**
 * Where the caches for the running Node lie in `dist`. V8 refuses a cache made with other flags, but not that of another
 * release of Node with the same V8, whose code may differ. So the name has Node's own version, and the size of its program
 * for two builds of one version.
 */
const folderOf = (dist, { statSync }) =>
  `${dist}/code-cache/${process.version}-${process.platform}-${process.arch}-${statSync(process.execPath).size}`;

/**
 * The `require` of the built files: loads chunks with their caches if there are any for this Node, and is Node's own if
 * not, or if coverage or source maps are asked for. Its text stands at the head of the bins, so it knows nothing around it.
 */
function requireOf(nodeRequire, dist, folderOf) {
  const fs = nodeRequire('node:fs');
  const { join } = nodeRequire('node:path');
  const { Script } = nodeRequire('node:vm');
  const { NODE_V8_COVERAGE, NODE_DISABLE_COMPILE_CACHE } = process.env;
  if (NODE_V8_COVERAGE || NODE_DISABLE_COMPILE_CACHE || process.sourceMapsEnabled) return nodeRequire;
  let folder;
  try {
    folder = folderOf(dist, fs);
    if (!fs.existsSync(folder)) return nodeRequire;
  } catch {
    return nodeRequire;
  }
  const modules = new Map();

  /** V8 checks no sum, and a wrong byte may crash it or keep it busy for ever. Each file holds the cache twice: comparing is the cheapest check there is. */
  const cacheOf = (name) => {
    const file = join(folder, `${name}.bin`);
    if (!fs.existsSync(file)) return undefined;
    try {
      const twice = fs.readFileSync(file);
      const once = twice.subarray(0, twice.length / 2);
      return once.equals(twice.subarray(once.length)) ? once : undefined;
    } catch {
      return undefined;
    }
  };

  return function requireChunk(id) {
    if (!id.startsWith('./')) return nodeRequire(id);
    const loaded = modules.get(id);
    if (loaded !== undefined) return loaded.exports;
    const name = id.slice(2);
    const filename = join(dist, name);
    // Node says what it means that a chunk is gone.
    if (!fs.existsSync(filename)) return nodeRequire(id);
    const code = `(function (exports, require, module, __filename, __dirname) {\n${fs.readFileSync(filename, 'utf8')}\n})`;
    // Stack traces show the name that the cache was made with: one without a folder is right wherever the package lies.
    const run = new Script(code, { filename: name, lineOffset: -1, cachedData: cacheOf(name) }).runInThisContext();
    const module = { exports: {} };
    modules.set(id, module);
    try {
      run.call(module.exports, module.exports, requireChunk, module, filename, dist);
    } catch (error) {
      modules.delete(id);
      throw error;
    }
    return module.exports;
  };
}

/** Stands at the head of a bin, so that what follows loads chunks with their caches. */
export const INTRO = `require = (${requireOf})(require, __dirname, ${folderOf});`;

/** Runs the everyday commands of `dist` and writes what V8 compiled for them. Throws when one of them fails. */
export function writeCodeCache(outDir) {
  const dist = resolve(outDir);
  mkdirSync(folderOf(dist, { statSync }), { recursive: true });
  const home = mkdtempSync(join(tmpdir(), 'kmi-build-'));
  try {
    mkdirSync(join(home, '_auths'));
    for (const label of KEYS)
      writeFileSync(join(home, '_auths', `${label}.env`), `KMI_API_KEY=sk-build-${label}\n`, { mode: 0o600 });
    // No proxy listens on port 1.
    const env = { PATH: process.env.PATH, HOME: home, USERPROFILE: home, KMI_PROXY_LISTEN: '127.0.0.1:1' };
    for (const command of EVERYDAY) {
      const { status, stderr, error } = spawnSync(process.execPath, [HERE, join(dist, 'cli.js'), command], { cwd: home, env });
      if (status !== 0) throw new Error(`\`kmi ${command}\` failed: ${error ?? stderr}`, { cause: error });
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Runs a command of the built bin, and at its end writes the caches of what it loaded, with what they held before. */
function runAndWrite(cli, args) {
  const { Script } = vm;
  const scripts = new Map();
  vm.Script = class extends Script {
    constructor(code, options) {
      super(code, options);
      scripts.set(options.filename, this);
    }
  };
  process.once('exit', () => {
    const folder = folderOf(join(cli, '..'), { statSync });
    for (const [name, script] of scripts) {
      const cache = script.createCachedData();
      writeFileSync(join(folder, `${name}.bin`), Buffer.concat([cache, cache]));
    }
  });
  process.argv = [process.execPath, cli, ...args];
  createRequire(cli)(cli);
}

if (process.argv[1] === HERE) runAndWrite(process.argv[2], process.argv.slice(3));
