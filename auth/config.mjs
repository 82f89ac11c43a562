// Configuration comes from the environment, is checked as a whole, and never printed.

import { tell } from "./log.mjs";

export const help = `Usage: node server.mjs [--help] [--with-parent]

The Better Auth service of Imagerun: accounts, passwords and sessions under /api/auth.
It listens on loopback behind the api process, which decides what of it is public.

  --with-parent         stop when standard input ends, so that it never outlives its parent
  --help                this text

Environment:
  DATABASE_URL          postgres://… as a member of imagerun_auth (required)
  BETTER_AUTH_SECRET    signs cookies and links, at least 32 characters (required)
  BETTER_AUTH_URL       public origin of the api, such as https://images.example.com (required)
  TRUSTED_ORIGINS       further origins whose pages may call, separated by commas (default: none)
  COOKIE_PREFIX         the session cookie is <prefix>.session_token, with __Host- before it where BETTER_AUTH_URL is https
                        (default: imagerun)
  HOST                  address to listen on (default: 127.0.0.1)
  PORT                  port to listen on, 0 for a free one (default: 8082)
  OPS_HOST              address of the private listener: metrics, health (default: 127.0.0.1)
  OPS_PORT              its port, 0 for a free one (default: 8083)
  AUTH_RATE_LIMIT       off: no rate limit; refused when NODE_ENV=production (default: on)
  ACCEPTED_RISKS        plain_postgres: DATABASE_URL may go to another machine without TLS (default: none)
`;

// What compose.yaml tells everybody.
const published = ["a-secret-of-development-for-sessions", "imagerun-auth"];

// Whether the database is on another machine and nothing says that it must be reached by TLS.
function isPlain(database) {
  const here = ["", "localhost", "127.0.0.1", "[::1]"].includes(database.hostname);
  const encrypted = ["require", "verify-ca", "verify-full", "no-verify"].includes(database.searchParams.get("sslmode"));
  return !here && !encrypted;
}

// Returns the checked configuration, or says everything that is wrong with env and exits with 2.
export function load(env) {
  const wrong = [];
  const production = env.NODE_ENV === "production";

  const origin = (name, value) => {
    try {
      const u = new URL(value);
      if (u.origin === "null" || !/^https?:$/.test(u.protocol) || u.href !== `${u.origin}/`) throw new TypeError();
      if (production && u.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(u.hostname)) {
        wrong.push(`${name}: must be https when NODE_ENV=production`);
      }
      return u.origin;
    } catch {
      wrong.push(`${name}: must be an origin such as https://images.example.com, without a path`);
    }
  };

  const accepted = (env.ACCEPTED_RISKS ?? "").split(",").map((r) => r.trim()).filter(Boolean);
  if (accepted.some((r) => r !== "plain_postgres")) wrong.push("ACCEPTED_RISKS: may hold plain_postgres only");

  const isPostgres = /^postgres(ql)?:\/\//.test(env.DATABASE_URL ?? "") && URL.canParse(env.DATABASE_URL);
  if (!isPostgres) wrong.push("DATABASE_URL: must be a postgres:// URL");
  else if (production) {
    const database = new URL(env.DATABASE_URL);
    if (published.includes(database.password)) wrong.push("DATABASE_URL: everybody can read its password in compose.yaml, make another");
    if (isPlain(database) && !accepted.includes("plain_postgres")) {
      wrong.push("DATABASE_URL: goes to another machine without TLS, add sslmode=verify-full or name plain_postgres in ACCEPTED_RISKS");
    }
  }
  if ((env.BETTER_AUTH_SECRET ?? "").length < 32) wrong.push("BETTER_AUTH_SECRET: must have at least 32 characters");
  if (production && published.includes(env.BETTER_AUTH_SECRET)) wrong.push("BETTER_AUTH_SECRET: everybody can read it in compose.yaml, make another");

  const cookiePrefix = env.COOKIE_PREFIX || "imagerun";
  if (!/^[A-Za-z0-9_-]+$/.test(cookiePrefix)) wrong.push("COOKIE_PREFIX: may hold letters, digits, _ and - only");

  const portOf = (name, otherwise) => {
    const port = Number(env[name] || otherwise);
    if (!Number.isInteger(port) || port < 0 || port > 65535) wrong.push(`${name}: must be a number from 0 to 65535`);

    return port;
  };
  const port = portOf("PORT", 8082);
  const opsPort = portOf("OPS_PORT", 8083);

  const rateLimit = (env.AUTH_RATE_LIMIT || "on") === "on";
  if (!rateLimit && env.AUTH_RATE_LIMIT !== "off") wrong.push("AUTH_RATE_LIMIT: must be on or off");
  if (!rateLimit && production) wrong.push("AUTH_RATE_LIMIT: off is refused when NODE_ENV=production");

  const baseURL = origin("BETTER_AUTH_URL", env.BETTER_AUTH_URL ?? "");
  const config = {
    databaseURL: env.DATABASE_URL,
    secret: env.BETTER_AUTH_SECRET,
    baseURL,
    https: baseURL?.startsWith("https:"),
    trustedOrigins: (env.TRUSTED_ORIGINS ?? "").split(",").filter(Boolean).map((o) => origin("TRUSTED_ORIGINS", o.trim())),
    cookiePrefix,
    host: env.HOST || "127.0.0.1",
    port,
    opsHost: env.OPS_HOST || "127.0.0.1",
    opsPort,
    rateLimit,
  };
  if (wrong.length) {
    tell(`${wrong.join("\n")}\n`);
    process.exit(2);
  }

  return config;
}
