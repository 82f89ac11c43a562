// Proves that the database has what this version of Better Auth wants with our options.
// Takes the same environment as server.mjs. Exits with 1 and says what is missing or left over;
// with --sql it prints the statements that would make what is missing, for the next migration.

import { getMigrations } from "better-auth/db/migration";

import { create } from "./auth.mjs";
import { load } from "./config.mjs";

const { auth, pool } = create(load(process.env));
const { toBeCreated, toBeAdded, toBeAddedIndexes, schemaProblems, compileMigrations } = await getMigrations(auth.options);

if (process.argv.includes("--sql")) {
  process.stdout.write(`${await compileMigrations()}\n`);
} else {
  const wrong = { toBeCreated, toBeAdded, toBeAddedIndexes: toBeAddedIndexes ?? [], schemaProblems: schemaProblems ?? [] };
  process.stdout.write(`${JSON.stringify(wrong)}\n`);
  process.exitCode = Object.values(wrong).some((w) => w.length) ? 1 : 0;
}
await pool.end();
