/** Removes the built files, so that a file deleted from src leaves none behind. */
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
