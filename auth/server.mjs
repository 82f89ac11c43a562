import { createServer } from "node:http";

import { toNodeHandler } from "better-auth/node";

import { create } from "./auth.mjs";
import { help, load } from "./config.mjs";
import { fault, log, quietConsole } from "./log.mjs";

const stopAfter = 10_000; // milliseconds that requests in flight get to finish

const known = ["--help", "--with-parent"];
const unknown = process.argv.slice(2).filter((a) => !known.includes(a));
if (unknown.length || process.argv.includes("--help")) {
  (unknown.length ? process.stderr : process.stdout).write(help);
  process.exit(unknown.length ? 2 : 0);
}

quietConsole();
const config = load(process.env);
const { auth, pool } = create(config);
const handle = toNodeHandler(auth);
let stopping = false;

function answer(res, status, body) {
  res.writeHead(status, { "content-type": "text/plain", "cache-control": "no-store" }).end(body);
}

async function serve(req, res) {
  const path = req.url.split("?")[0];
  if (path.startsWith("/api/auth/")) return handle(req, res);
  if (path === "/healthz") return answer(res, 200, "ok\n");
  if (path !== "/readyz") return answer(res, 404, "not found\n");

  // The table is named, so a database that was never migrated is not ready either.
  const ready = !stopping && (await pool.query('select from "user" limit 0').then(() => true, () => false));
  return answer(res, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
}

const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 75_000 }, (req, res) => {
  serve(req, res).catch((err) => {
    log("error", "request not answered", fault(err));
    if (res.headersSent) res.destroy();
    else answer(res, 500, "internal error\n");
  });
});

server.on("error", (err) => {
  log("error", "could not listen", fault(err));
  process.exit(1);
});

server.listen(config.port, config.host, () => {
  log("info", "listening", { host: config.host, port: server.address().port });
});

function stop() {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), stopAfter).unref();
  server.close(() => pool.end().then(() => process.exit(0), () => process.exit(1)));
  server.closeIdleConnections();
}

process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.on("unhandledRejection", (err) => log("error", "background task failed", fault(err)));
if (process.argv.includes("--with-parent")) process.stdin.on("end", stop).on("error", stop).resume();
