import type { ConfiguredModel } from '../core/clients/kimi-model.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { textOf } from '../files/text-bytes.ts';
import { isTable, own, type Table } from '../files/toml-table.ts';
import { isKimiType, providersOf } from './provider-choice.ts';

/** The default model of a Kimi client's config; null when the file is missing, unreadable or names none. Never throws. */
export async function readDefaultModel(path: string): Promise<ConfiguredModel | null> {
  const read = await readBoundedFile(path);
  const text = 'problem' in read ? null : textOf(read.bytes);
  // Most configs name one; without the word the parser need not be loaded.
  if (text === null || !text.includes('default_model')) return null;
  const { parseToml } = await import('../files/toml-text.ts');
  const toml = parseToml(text);
  return 'problem' in toml ? null : defaultModelOf(toml.data);
}

function defaultModelOf(config: Table): ConfiguredModel | null {
  const alias = own(config, 'default_model');
  const models = own(config, 'models');
  const model = typeof alias === 'string' && isTable(models) ? own(models, alias) : undefined;
  if (!isTable(model)) return null;
  const name = own(model, 'model');
  if (typeof name !== 'string' || name.trim() === '') return null;
  const maxContextSize = own(model, 'max_context_size');
  const capabilities = own(model, 'capabilities');
  const provider = own(providersOf(config), String(own(model, 'provider')));
  return {
    name,
    maxContextSize: typeof maxContextSize === 'number' && maxContextSize > 0 ? maxContextSize : null,
    capabilities: Array.isArray(capabilities) ? capabilities.filter((each): each is string => typeof each === 'string') : [],
    isKimi: isTable(provider) && isKimiType(provider),
  };
}
