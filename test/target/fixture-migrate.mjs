// Brings the fixture's database up to date: a table that only a version with a migration has.
import { Client } from "pg";

const client = new Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query("CREATE TABLE IF NOT EXISTS migrated (port int)");
await client.query("INSERT INTO migrated VALUES ($1)", [Number(process.env.PORT)]);
await client.end();
console.log("migrated");
