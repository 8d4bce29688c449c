import { isTable, own, type Table } from '../files/toml-table.ts';
import { asEmail } from './display-text.ts';

const ACCOUNT_FIELDS = ['email', 'account_email', 'user_email', 'account', 'user', 'username', 'login'];

/** Display only: an address in the provider, else in an account-like field elsewhere in the file but not in another provider. */
export function findEmail(provider: Table, file: Table): string | null {
  return emailOf(provider, ACCOUNT_FIELDS) ?? emailOf(provider, Object.keys(provider)) ?? emailElsewhere(file);
}

function emailOf(table: Table, names: readonly string[]): string | null {
  for (const name of names) {
    const email = asEmail(own(table, name));
    if (email !== null) return email;
  }
  return null;
}

/** Breadth first and bounded, so that neither depth nor size of a file matters. */
function emailElsewhere(file: Table): string | null {
  const tables: Table[] = [file];
  for (let index = 0; index < tables.length && index < 1000; index += 1) {
    const table = tables[index] as Table;
    const email = emailOf(table, ACCOUNT_FIELDS);
    if (email !== null) return email;
    for (const [name, value] of Object.entries(table)) {
      if (isTable(value) && !(table === file && name === 'providers') && tables.length < 1000) tables.push(value);
    }
  }
  return null;
}
