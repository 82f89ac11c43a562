// Better Auth, configured. What is not here has Better Auth's default.

import { betterAuth } from "better-auth";
import { APIError, createAuthMiddleware } from "better-auth/api";
import { admin, bearer } from "better-auth/plugins";
import pg from "pg";

import { betterAuthLogger, fault, log } from "./log.mjs";
import { isCommon, maxPassword, minPassword, newPassword } from "./passwords.mjs";

// The one header that says who the client is. The api process overwrites it on every request;
// X-Forwarded-For and its kin are not read here at all.
export const clientAddressHeader = "x-imagerun-client-address";

// The one header that says whose password was reset. The api process takes it off every answer.
export const accountHeader = "x-imagerun-account";

export function create(config) {
  const pool = new pg.Pool({
    connectionString: config.databaseURL,
    options: "-c search_path=auth -c timezone=UTC",
    application_name: "imagerun-auth",
    max: 10,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
  });
  // An idle connection that Postgres closes must not end the process.
  pool.on("error", (err) => log("warn", "lost an idle database connection", fault(err)));

  // Better Auth swallows what its mail hooks throw, so they must not depend on a network call of
  // their own: the mail is a row in the same database, and whoever sends mail takes it from there.
  const mail = (kind) => async ({ user, url, token }) => {
    await pool.query("insert into public.auth_mail (kind, user_id, recipient, url, token) values ($1, $2, $3, $4, $5)", [
      kind, user.id, user.email, url, token,
    ]);
  };

  // An address that nobody has proved belongs to whoever signs up last. Better Auth would keep the first password:
  // that of somebody who waits for the owner to verify. The account goes, and with it what led into it; the links in
  // its mails name its id.
  const forgetUnverified = ({ email, password }) => {
    if (typeof email !== "string" || typeof password !== "string" || password.length < minPassword || password.length > maxPassword) return;

    return pool.query('delete from "user" where "email" = lower($1) and not "emailVerified"', [email]);
  };

  const before = createAuthMiddleware(async (ctx) => {
    // Whoever guesses tries these first. Judged before the account is looked for, so the answer does not tell of one.
    if (isCommon(newPassword(ctx.path, ctx.body) ?? "")) {
      throw new APIError("BAD_REQUEST", { code: "PASSWORD_TOO_COMMON", message: "Many people have this password. Choose another one." });
    }
    if (ctx.path === "/sign-up/email") await forgetUnverified(ctx.body ?? {});
    // A new password ends all sessions (a trigger does it), so the caller is given another one.
    if (ctx.path === "/change-password") return { context: { body: { ...ctx.body, revokeOtherSessions: true } } };
  });

  // Whose password a request has reset: the api makes the device known that did it, and passes the header on to nobody.
  const resetBy = new WeakMap();

  const after = createAuthMiddleware(async (ctx) => {
    if (!["/reset-password", "/change-password"].includes(ctx.path) || ctx.context.returned instanceof Error) return;
    if (resetBy.has(ctx.request)) ctx.setHeader(accountHeader, resetBy.get(ctx.request));

    return ctx.json({ ...ctx.context.returned, message: "All other sessions, all reset links and all API keys of the account have ended." });
  });

  const auth = betterAuth({
    database: pool,
    secret: config.secret,
    baseURL: config.baseURL,
    trustedOrigins: config.trustedOrigins,
    telemetry: { enabled: false },
    logger: betterAuthLogger,
    emailAndPassword: {
      enabled: true,
      minPasswordLength: minPassword,
      maxPasswordLength: maxPassword,
      requireEmailVerification: true,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: mail("reset-password"),
      onPasswordReset: async ({ user }, request) => {
        if (request) resetBy.set(request, user.email);
      },
      // What the sign-up of a known address is answered. Without the fields of admin() as a new
      // account has them, the answer would tell who has one.
      customSyntheticUser: ({ coreFields, additionalFields, id }) => ({
        ...coreFields, role: "user", banned: false, banReason: null, banExpires: null, ...additionalFields, id,
      }),
    },
    emailVerification: {
      sendOnSignUp: true,
      // The link proves the address, it does not sign in: otherwise anybody could make a victim work,
      // unknowingly, in an account of the sender's by passing on their own link.
      autoSignInAfterVerification: false,
      sendVerificationEmail: mail("verify-email"),
    },
    verification: { storeIdentifier: "hashed" },
    // Go reads the session table at every request, so a revocation counts at once: no cookie cache.
    session: { expiresIn: 7 * 24 * 3600, updateAge: 24 * 3600, cookieCache: { enabled: false } },
    rateLimit: {
      enabled: config.rateLimit,
      storage: "database",
      // The key of a limit holds the path, and this path holds a token that must not be stored
      // in plain text. With 24 random characters it needs no limit.
      customRules: { "/reset-password/*": false },
    },
    hooks: { before, after },
    advanced: {
      // Browsers let no other host set a cookie of this name. Better Auth's own prefix, __Secure-, would stand before it.
      cookiePrefix: config.https ? `__Host-${config.cookiePrefix}` : config.cookiePrefix,
      useSecureCookies: false,
      defaultCookieAttributes: { secure: config.https },
      database: { generateId: "uuid" },
      ipAddress: { ipAddressHeaders: [clientAddressHeader] },
      // Spelled out because Better Auth drops both checks by itself when NODE_ENV=test.
      disableOriginCheck: false,
      disableCSRFCheck: false,
    },
    plugins: [
      bearer({ requireSignature: true }), // a token read from the session table opens nothing
      admin(), // for the ban columns; the api process offers none of its routes
    ],
  });

  return { auth, pool };
}
